import type { Principal } from "../../control/api-keys/service.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AppError } from "../../lib/errors.ts";
import type { UsageKind } from "../../metering/money/service.ts";
import type { Outcome, UsageLedger, UsageSource } from "../../metering/usage/service.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import type { Metrics } from "../../platform/telemetry/metrics.ts";

export interface RequestRecordDeps {
  clock: Clock;
  log: Log;
  metrics: Metrics;
  ledger: UsageLedger;
}

/**
 * Everything that one request leaves behind: a row in the usage ledger, a sample in the metrics, and a log line when it
 * failed with a 5xx or carries labels. The ledger reads the counts whenever it writes a checkpoint, so an endpoint
 * updates them while it works.
 */
export class RequestRecord implements UsageSource {
  readonly id: string;
  readonly principal: Principal;
  readonly endpoint: string;
  readonly kind: UsageKind;
  readonly startedAtMs: number;
  /** Full name; empty until the model is resolved. */
  model = "";
  deployment = "";
  pricedAs = "";
  replica: string | null = null;
  timeToFirstTokenMs: number | null = null;
  promptTokens = 0;
  cachedTokens = 0;
  completionTokens = 0;
  /** In the unit of the kind, for kinds that are not billed by the three token counts; see `USAGE_KINDS`. */
  quantity = 0;
  /** Set by the client to trace the request by; null: none. */
  labels: Readonly<Record<string, string>> | null = null;
  readonly #deps: RequestRecordDeps;
  readonly #startMs: number;
  #isFinished = false;

  /** @throws AppError UNAVAILABLE when usage can't be recorded. */
  constructor(
    deps: RequestRecordDeps,
    { id, principal }: { readonly id: string; readonly principal: Principal },
    endpoint: { readonly name: string; readonly kind: UsageKind },
  ) {
    this.#deps = deps;
    this.id = id;
    this.principal = principal;
    this.endpoint = endpoint.name;
    this.kind = endpoint.kind;
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

  /** True once `finish` was called. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Milliseconds since the request arrived. */
  get elapsedMs(): number {
    return this.#deps.clock.monotonicMs() - this.#startMs;
  }

  /**
   * Sets where the request goes and what it is billed as. On the platform's own deployments usage has the price of the
   * deployed base model, LoRA or not. On an account's own deployment usage is free, because the account pays for the
   * deployment's time.
   */
  setRoute({ model, deployment }: { model: string; deployment: string }): void {
    this.model = model;
    if (deployment.includes("/deployments/")) this.deployment = deployment;
    else this.pricedAs = deployment;
  }

  /** Sets the time to the first token; later calls do nothing. */
  markFirstToken(): void {
    this.timeToFirstTokenMs ??= this.elapsedMs;
  }

  /** Replaces the token counts. */
  setTokens({
    promptTokens,
    cachedTokens,
    completionTokens,
  }: {
    promptTokens: number;
    cachedTokens: number;
    completionTokens: number;
  }): void {
    this.promptTokens = promptTokens;
    this.cachedTokens = cachedTokens;
    this.completionTokens = completionTokens;
  }

  /**
   * Resolves once the ledger has the request on disk. To be awaited before the first byte of a stream, so that a crash
   * in the middle of the stream still leaves a row.
   */
  ensureOpened(): Promise<void> {
    return new Promise((resolve) => this.#deps.ledger.ensureOpened(this, resolve));
  }

  /**
   * Ends the request. `spooled` runs once the row is on disk. The last bytes of the response are sent there: a client
   * that has the whole response can't have caused a row that a crash loses.
   * @param error null: the request succeeded or was cancelled.
   */
  finish(outcome: Outcome, status: number, error: AppError | null, spooled: () => void): void {
    this.#isFinished = true;
    const durationMs = this.elapsedMs;
    const { endpoint, model, promptTokens, completionTokens, labels } = this;
    if (error !== null && error.status >= 500) {
      const fields = { requestId: this.id, code: error.code, err: error.cause ?? error };
      this.#deps.log.error(labels === null ? fields : { ...fields, labels }, "request failed");
    }
    if (labels !== null) {
      this.#deps.log.info(
        { requestId: this.id, labels, endpoint, model, status, promptTokens, completionTokens, durationMs },
        "labelled request",
      );
    }
    this.#deps.metrics.observe({ endpoint, model, status, promptTokens, completionTokens, durationMs });
    this.#deps.ledger.close(this, { outcome, status, durationMs }, spooled);
  }
}
