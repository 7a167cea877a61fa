export interface BackoffLimits {
  baseMs: number;
  capMs: number;
}

/**
 * Wait before attempt `failures` + 1: doubling from `baseMs` to `capMs`, of that 50–100 % by chance.
 * @param failures ≥ 1. @param random 0–1.
 */
export function backoffMs(failures: number, { baseMs, capMs }: BackoffLimits, random: number): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30)) * (0.5 + random / 2);
}
