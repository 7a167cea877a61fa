import { AppError } from "../../lib/errors.ts";

export interface LimitsOptions {
  /** Requests one account may have in flight; a request for n choices counts n times. Default 1,000. */
  maxInFlight?: number;
}

export interface Limits {
  /**
   * Lets a request for `n` choices in, or not. The returned function gives its place back; calling it again does nothing.
   * @throws AppError RATE_LIMIT_EXCEEDED when the account has too many in flight.
   */
  admit(principal: { readonly accountId: string }, model: string, n: number): () => void;
  /** Of one account, for metrics. */
  inFlight(accountId: string): number;
}

const MAX_IN_FLIGHT = 1_000;

/** Bounds what one account may ask at once, so that it can't take the whole platform for itself. */
export function createLimits(options: LimitsOptions = {}): Limits {
  const most = options.maxInFlight ?? MAX_IN_FLIGHT;
  const accounts = new Map<string, number>();
  return {
    inFlight: (accountId) => accounts.get(accountId) ?? 0,
    admit({ accountId }, _model, n) {
      const before = accounts.get(accountId) ?? 0;
      if (before + n > most) {
        throw new AppError(
          "RATE_LIMIT_EXCEEDED",
          `The account has too many requests in flight; ${most} may be.`,
          {
            retryAfterS: 1,
          },
        );
      }
      accounts.set(accountId, before + n);
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        const left = (accounts.get(accountId) ?? n) - n;
        if (left > 0) accounts.set(accountId, left);
        else accounts.delete(accountId);
      };
    },
  };
}
