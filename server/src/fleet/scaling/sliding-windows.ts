import type { Load } from "./autoscaling-policy.ts";

/** The totals of requests and tokens so far, and the number of concurrent requests now. */
export interface LoadSample {
  concurrentRequests: number;
  requests: number;
  generatedTokens: number;
  promptTokens: number;
}

interface TimedLoadSample extends LoadSample {
  atMs: number;
}

/** Averages of samples over a sliding window. The load before the first sample counts as zero. */
export class SlidingLoadAverage {
  #samples: TimedLoadSample[] = [];

  /** Adds a sample and gives the averages over the last `windowMs`. Samples come in the order of time. */
  add(atMs: number, sample: LoadSample, windowMs: number): Load {
    this.#samples.push({ atMs, ...sample });
    const startMs = atMs - windowMs;
    // The last sample before the window is kept, because rates are differences to it.
    const inside = this.#samples.findIndex((kept) => kept.atMs > startMs);
    if (inside > 1) this.#samples = this.#samples.slice(inside - 1);
    return windowMs === 0 ? this.#latest() : this.#average(startMs, windowMs);
  }

  #average(startMs: number, windowMs: number): Load {
    const first = this.#samples[0]!;
    const last = this.#samples.at(-1)!;
    let area = 0;
    for (let i = 1; i < this.#samples.length; i++) {
      const [from, to] = [this.#samples[i - 1]!, this.#samples[i]!];
      area += to.concurrentRequests * (to.atMs - Math.max(startMs, from.atMs));
    }
    const perS = 1000 / Math.max(windowMs, last.atMs - first.atMs);
    return {
      concurrentRequests: area / windowMs,
      requestsPerS: (last.requests - first.requests) * perS,
      generatedTokensPerS: (last.generatedTokens - first.generatedTokens) * perS,
      promptTokensPerS: (last.promptTokens - first.promptTokens) * perS,
    };
  }

  /** For an empty window: the concurrent requests now, and the rates since the previous sample. */
  #latest(): Load {
    const [from, to] = [this.#samples.at(-2), this.#samples.at(-1)!];
    const perS = from === undefined || to.atMs === from.atMs ? 0 : 1000 / (to.atMs - from.atMs);
    return {
      concurrentRequests: to.concurrentRequests,
      requestsPerS: (to.requests - (from?.requests ?? 0)) * perS,
      generatedTokensPerS: (to.generatedTokens - (from?.generatedTokens ?? 0)) * perS,
      promptTokensPerS: (to.promptTokens - (from?.promptTokens ?? 0)) * perS,
    };
  }
}

/** The maximum over a sliding window, by a monotonic queue. */
export class SlidingMaximum {
  /** Decreasing values: all that can still become the maximum. */
  #decreasing: { atMs: number; value: number }[] = [];

  /** Adds a value and gives the maximum of the last `windowMs`. Values come in the order of time. */
  add(atMs: number, value: number, windowMs: number): number {
    while (this.#decreasing.length > 0 && this.#decreasing.at(-1)!.value <= value) this.#decreasing.pop();
    this.#decreasing.push({ atMs, value });
    const inside = this.#decreasing.findIndex((entry) => entry.atMs >= atMs - windowMs);
    if (inside > 0) this.#decreasing = this.#decreasing.slice(inside);
    return this.#decreasing[0]!.value;
  }
}
