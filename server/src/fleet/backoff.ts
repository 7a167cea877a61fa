export interface BackoffLimits {
  baseMs: number;
  capMs: number;
}

/**
 * Exponential backoff with jitter: the wait after `failures` failures doubles from `baseMs` to `capMs`, times 0.5–1.
 * @param failures ≥ 1. @param random 0–1.
 */
export function backoffMs(failures: number, { baseMs, capMs }: BackoffLimits, random: number): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30)) * (0.5 + random / 2);
}
