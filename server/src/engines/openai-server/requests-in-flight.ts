import { EngineError } from "../../engine/errors.ts";
import type { Clock } from "../../lib/clock.ts";

/** The part of a request that its time-outs need. */
export interface RequestInFlight {
  /** Sweeps since the request began. */
  sweeps: number;
  /** Sweeps since the server sent the last byte. The request sets it to 0 at each piece that arrives. */
  silentSweeps: number;
  /** Whether a stream's first token has come. */
  readonly hasFirstToken: boolean;
  /** Whether the server waits for the consumer of its stream. */
  readonly isPaused: boolean;
  fail(error: EngineError): void;
}

export interface RequestTimeouts {
  clock: Clock;
  /** From the request to the first token of a stream, or to the end of a whole response. */
  firstTokenTimeoutMs: number;
  /** Longest pause of a stream after its first token. */
  stallTimeoutMs: number;
}

const MAX_SWEEP_MS = 1_000;
/** A time-out is exact to this share of the shorter limit. */
const SWEEPS_PER_TIMEOUT = 10;

/**
 * The generations that a model server works on or that wait for it, and their time-outs. One timer sweeps over all of them,
 * because a timer for each token costs more than the rest of a token's work.
 */
export class RequestsInFlight {
  readonly #requests = new Set<RequestInFlight>();
  readonly #clock: Clock;
  readonly #sweepMs: number;
  readonly #firstTokenSweeps: number;
  readonly #stallSweeps: number;
  #isSweeping = false;

  constructor({ clock, firstTokenTimeoutMs, stallTimeoutMs }: RequestTimeouts) {
    this.#clock = clock;
    const shorterMs = Math.min(firstTokenTimeoutMs, stallTimeoutMs);
    this.#sweepMs = Math.max(1, Math.min(MAX_SWEEP_MS, shorterMs / SWEEPS_PER_TIMEOUT));
    this.#firstTokenSweeps = firstTokenTimeoutMs / this.#sweepMs;
    this.#stallSweeps = stallTimeoutMs / this.#sweepMs;
  }

  get count(): number {
    return this.#requests.size;
  }

  add(request: RequestInFlight): void {
    this.#requests.add(request);
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#scheduleSweep();
  }

  delete(request: RequestInFlight): void {
    this.#requests.delete(request);
  }

  failAll(error: EngineError): void {
    for (const request of [...this.#requests]) request.fail(error);
  }

  #scheduleSweep(): void {
    this.#clock.after(this.#sweepMs, () => {
      this.#sweep();
      this.#isSweeping = this.#requests.size > 0;
      if (this.#isSweeping) this.#scheduleSweep();
    });
  }

  #sweep(): void {
    for (const request of [...this.#requests]) {
      request.sweeps++;
      if (request.hasFirstToken) {
        if (request.isPaused) request.silentSweeps = 0;
        else if (++request.silentSweeps > this.#stallSweeps) {
          request.fail(
            new EngineError("timeout", "The model server fell silent in the middle of its output."),
          );
        }
      } else if (request.sweeps > this.#firstTokenSweeps) {
        request.fail(new EngineError("timeout", "The model server did not answer in time."));
      }
    }
  }
}
