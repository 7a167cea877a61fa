import type { Principal } from "../../control/api-keys/service.ts";
import type { EngineUsage } from "../../engine/port.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AppError } from "../../lib/errors.ts";
import type { Outcome, UsageLedger } from "../../metering/usage/service.ts";
import type { Log } from "../../platform/telemetry/log.ts";

export interface RecordDeps {
  clock: Clock;
  log: Log;
  ledger: UsageLedger;
}

/** What one request leaves behind: its usage row, its timings, its line in the log when it failed. */
export class RequestRecord {
  readonly id: string;
  readonly principal: Principal;
  readonly startedAtMs: number;
  /** Full model name once resolved; empty before. */
  model = "";
  replica: string | null = null;
  /** What the engine reports at its end. */
  usage: EngineUsage | null = null;
  readonly #deps: RecordDeps;
  readonly #endpoint: string;
  readonly #startMs: number;
  #firstTokenMs: number | null = null;
  /** Deltas passed on so far: the tokens known of before the engine's own count. */
  #deltas = 0;

  constructor(deps: RecordDeps, id: string, principal: Principal, endpoint: string) {
    this.#deps = deps;
    this.id = id;
    this.principal = principal;
    this.#endpoint = endpoint;
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

  get endpoint(): string {
    return this.#endpoint;
  }

  get completionTokens(): number {
    return this.usage?.completionTokens ?? this.#deltas;
  }
}
