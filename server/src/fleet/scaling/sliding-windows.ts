import type { Load } from "./autoscaling-policy.ts";

/** Totals since the deployment exists, and what is going on now. */
export interface LoadSample {
  concurrentRequests: number;
  requests: number;
  generatedTokens: number;
  promptTokens: number;
}

interface TimedLoadSample extends LoadSample {
  atMs: number;
}

/** Averages of the readings of a window that moves with time. Before the first reading there was no load. */
export class SlidingLoadAverage {
  #samples: TimedLoadSample[] = [];

  /** Takes a reading and gives the averages over the last `windowMs`. Readings come in the order of time. */
  add(atMs: number, reading: LoadSample, windowMs: number): Load {
    this.#samples.push({ atMs, ...reading });
    const startMs = atMs - windowMs;
    // The last sample from before the window is kept: rates are counted from it.
    const inside = this.#samples.findIndex((sample) => sample.atMs > startMs);
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

  /** Without a window: what is going on now, rates since the reading before. */
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

/** The highest of the values of a window that moves with time. */
export class SlidingMaximum {
  /** Falling values: only those that can still become the highest. */
  #decreasing: { atMs: number; value: number }[] = [];

  /** Takes a value and gives the highest of the last `windowMs`. Values come in the order of time. */
  add(atMs: number, value: number, windowMs: number): number {
    while (this.#decreasing.length > 0 && this.#decreasing.at(-1)!.value <= value) this.#decreasing.pop();
    this.#decreasing.push({ atMs, value });
    const inside = this.#decreasing.findIndex((entry) => entry.atMs >= atMs - windowMs);
    if (inside > 0) this.#decreasing = this.#decreasing.slice(inside);
    return this.#decreasing[0]!.value;
  }
}
