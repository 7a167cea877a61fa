import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

/** Figures of one finished request. */
export interface RequestSample {
  endpoint: string;
  status: number;
  model: string;
  promptTokens: number;
  completionTokens: number;
  durationMs: number;
}

/** Bounds the label sets of a metric: further requests are counted with the label `other`. */
const MAX_SERIES = 1000;

export interface GaugeValue {
  labels: Record<string, string>;
  value: number;
}

export interface Metrics {
  /** Counts a request. Cheap: the text is only rendered on demand. */
  observe(sample: RequestSample): void;
  /** Registers a gauge. @param read called whenever the metrics are rendered. */
  gauge(name: string, help: string, labelNames: readonly string[], read: () => readonly GaugeValue[]): void;
  /** The metrics in Prometheus' text format. */
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
        for (const entry of series.all) this.inc(entry.labels, read(entry));
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
      const counted = series.of(sample);
      counted.requests += 1;
      counted.promptTokens += sample.promptTokens;
      counted.completionTokens += sample.completionTokens;
      counted.durationS += sample.durationMs / 1000;
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

/** Series by model, endpoint and status. Three look-ups are cheaper than building a combined key for each request. */
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
    const series = this.#add({ endpoint, status: String(status), model });
    const byEndpoint = this.#byModel.get(model) ?? new Map<string, Map<number, Series>>();
    this.#byModel.set(model, byEndpoint);
    const byStatus = byEndpoint.get(endpoint) ?? new Map<number, Series>();
    byEndpoint.set(endpoint, byStatus);
    byStatus.set(status, series);
    return series;
  }

  #add(labels: Series["labels"]): Series {
    const series = { labels, requests: 0, promptTokens: 0, completionTokens: 0, durationS: 0 };
    this.all.push(series);
    return series;
  }
}
