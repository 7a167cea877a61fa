import type { Principal } from "../../control/api-keys/service.ts";
import type { EngineUsage } from "../../engine/generation.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AppError } from "../../lib/errors.ts";
import type { Outcome, UsageLedger, UsageSource } from "../../metering/usage/service.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import type { Metrics } from "../../platform/telemetry/metrics.ts";

export interface RequestRecordDeps {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  ledger: UsageLedger;
}

/** What one request leaves behind: its usage row, its timings, its line in the log when it failed. */
export class RequestRecord implements UsageSource {
  readonly id: string;
  readonly principal: Principal;
  readonly endpoint: string;
  readonly startedAtMs: number;
  /** Full model name once resolved; empty before. */
  model = "";
  deployment = "";
  readonly kind = "text";
  pricedAs = "";
  /** Text counts nothing but tokens. */
  readonly quantity = 0;
  replica: string | null = null;
  timeToFirstTokenMs: number | null = null;
  promptTokens = 0;
  cachedTokens = 0;
  /** The engine's own count at its end; before that the deltas that came, a token each. */
  completionTokens = 0;
  /** The client's own, to trace the request by: in the log beside what is told there of it. */
  labels: Readonly<Record<string, string>> | null = null;
  readonly #deps: RequestRecordDeps;
  readonly #startMs: number;
  #prediction: EngineUsage["prediction"];

  constructor(deps: RequestRecordDeps, id: string, principal: Principal, endpoint: string) {
    this.#deps = deps;
    this.id = id;
    this.principal = principal;
    this.endpoint = endpoint;
    this.startedAtMs = deps.clock.now();
    this.#startMs = deps.clock.monotonicMs();
    deps.ledger.open(this);
  }

  get accountId(): string {
    return this.principal.accountId;
  }

  get keyId(): string {
    return this.principal.keyId;
  }

  get userId(): string {
    return this.principal.userId;
  }

  /**
   * Where the request goes. On the platform's own deployments its tokens are paid for, addons at the price of their base
   * model; an account's own deployments are paid for by their time.
   */
  setRoute({ model, deployment }: { model: string; deployment: string }): void {
    this.model = model;
    if (deployment.includes("/deployments/")) this.deployment = deployment;
    else this.pricedAs = deployment;
  }

  addDelta(): void {
    this.completionTokens++;
    this.timeToFirstTokenMs ??= this.#deps.clock.monotonicMs() - this.#startMs;
  }

  /** What is known when the engine begins; a batch's prompts add up. */
  addPromptUsage({ promptTokens, cachedTokens }: { promptTokens: number; cachedTokens: number }): void {
    this.promptTokens += promptTokens;
    this.cachedTokens += cachedTokens;
  }

  setUsage({ promptTokens, cachedTokens, completionTokens, prediction }: EngineUsage): void {
    this.#prediction = prediction;
    this.promptTokens = promptTokens;
    this.cachedTokens = cachedTokens;
    this.completionTokens = completionTokens;
  }

  /** Resolves once a crash can no longer hide the request. Before the first byte of a stream goes out. */
  ensureOpened(): Promise<void> {
    return new Promise((resolve) => this.#deps.ledger.ensureOpened(this, resolve));
  }

  /**
   * The request is over. `spooled` runs once its row would survive the end of this process: the last bytes of the
   * reply go out there.
   */
  finish(outcome: Outcome, status: number, error: AppError | null, spooled: () => void): void {
    const durationMs = this.#deps.clock.monotonicMs() - this.#startMs;
    if (error !== null && error.status >= 500) {
      this.#deps.log.error(
        { requestId: this.id, ...this.#labelFields(), code: error.code, err: error.cause ?? error },
        "request failed",
      );
    }
    const { endpoint, model, promptTokens, completionTokens } = this;
    if (this.labels !== null) {
      const told = { endpoint, model, status, promptTokens, completionTokens, durationMs };
      this.#deps.log.info({ requestId: this.id, ...this.#labelFields(), ...told }, "labelled request");
    }
    this.#deps.metrics.observe({ endpoint, model, status, promptTokens, completionTokens, durationMs });
    this.#deps.ledger.close(this, { outcome, status, durationMs }, spooled);
  }

  #labelFields(): { labels?: Readonly<Record<string, string>> } {
    return this.labels === null ? {} : { labels: this.labels };
  }

  /** Figures of a whole reply as headers, names and values alternating; durations in seconds. */
  timingHeaders(): string[] {
    const totalMs = this.#deps.clock.monotonicMs() - this.#startMs;
    const headers = [
      "fireworks-prompt-tokens",
      `${this.promptTokens}`,
      "fireworks-cached-prompt-tokens",
      `${this.cachedTokens}`,
      "fireworks-server-time-to-first-token",
      formatSeconds(this.timeToFirstTokenMs ?? totalMs),
      "fireworks-server-processing-time",
      formatSeconds(totalMs),
    ];
    if (this.#prediction !== undefined) {
      const { acceptedTokens, rejectedTokens } = this.#prediction;
      headers.push("fireworks-speculation-prompt-tokens", `${acceptedTokens + rejectedTokens}`);
      headers.push("fireworks-speculation-prompt-matched-tokens", `${acceptedTokens}`);
    }
    return headers;
  }

  /** The same figures as a JSON text, for the body: without the names' `fireworks-`. */
  perfMetrics(): string {
    const headers = this.timingHeaders();
    const metrics: Record<string, number> = {};
    for (let i = 0; i < headers.length; i += 2) {
      metrics[(headers[i] as string).slice("fireworks-".length)] = Number(headers[i + 1]);
    }
    return JSON.stringify(metrics);
  }
}

/** To 0.1 ms. */
function formatSeconds(ms: number): string {
  return `${Math.round(ms * 10) / 10_000}`;
}
