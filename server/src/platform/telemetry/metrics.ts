import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** One finished request, as the metrics see it. */
export interface RequestSample {
  endpoint: string;
  status: number;
  model: string;
  promptTokens: number;
  completionTokens: number;
  durationMs: number;
}

/** Most distinct label sets kept; what comes after is counted under one label, so a metric can't grow without bound. */
const MAX_SERIES = 1000;

export interface GaugeValue {
  labels: Record<string, string>;
  value: number;
}

export interface Metrics {
  /** Called once a request; costs one map look-up, the text is made when it is asked for. */
  observe(sample: RequestSample): void;
  /** Values that are read when the metrics are asked for. */
  gauge(name: string, help: string, labelNames: readonly string[], read: () => readonly GaugeValue[]): void;
  /** Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

interface Series {
  labels: { endpoint: string; status: string; model: string };
  requests: number;
  promptTokens: number;
  completionTokens: number;
  durationS: number;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const series = new SeriesSet();
  const counter = (name: string, help: string, read: (s: Series) => number): void => {
    new Counter({
      name,
      help,
      labelNames: ["endpoint", "status", "model"],
      registers: [registry],
      collect() {
        this.reset();
        for (const one of series.all) this.inc(one.labels, read(one));
      },
    });
  };
  counter("hearth_requests_total", "Requests answered.", (s) => s.requests);
  counter("hearth_prompt_tokens_total", "Prompt tokens of answered requests.", (s) => s.promptTokens);
  counter("hearth_completion_tokens_total", "Tokens made for answered requests.", (s) => s.completionTokens);
  counter(
    "hearth_request_duration_seconds_total",
    "Time from the first byte in to the last byte out.",
    (s) => s.durationS,
  );
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    observe(sample) {
      const one = series.of(sample);
      one.requests += 1;
      one.promptTokens += sample.promptTokens;
      one.completionTokens += sample.completionTokens;
      one.durationS += sample.durationMs / 1000;
    },
    gauge(name, help, labelNames, read) {
      new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        collect() {
          this.reset();
          for (const { labels, value } of read()) this.set(labels, value);
        },
      });
    },
  };
}

/** Found by three look-ups, which are cheaper than a key made for each request. */
class SeriesSet {
  readonly all: Series[] = [];
  readonly #byModel = new Map<string, Map<string, Map<number, Series>>>();
  #other: Series | null = null;

  of({ model, endpoint, status }: RequestSample): Series {
    const found = this.#byModel.get(model)?.get(endpoint)?.get(status);
    if (found !== undefined) return found;
    if (this.all.length >= MAX_SERIES) {
      this.#other ??= this.#add({ endpoint: "other", status: "other", model: "other" });
      return this.#other;
    }
    const one = this.#add({ endpoint, status: String(status), model });
    const byEndpoint = this.#byModel.get(model) ?? new Map<string, Map<number, Series>>();
    this.#byModel.set(model, byEndpoint);
    const byStatus = byEndpoint.get(endpoint) ?? new Map<number, Series>();
    byEndpoint.set(endpoint, byStatus);
    byStatus.set(status, one);
    return one;
  }

  #add(labels: Series["labels"]): Series {
    const one = { labels, requests: 0, promptTokens: 0, completionTokens: 0, durationS: 0 };
    this.all.push(one);
    return one;
  }
}
