import type { Clock } from "../lib/clock.ts";

export interface HealthWatchOptions {
  clock: Clock;
  intervalMs: number;
  /** Consecutive checks without an answer after which the engine counts as unhealthy. */
  maxMisses: number;
  /** Resolves while the engine answers. */
  check: () => Promise<void>;
  /** Called when the engine becomes unhealthy, and when it answers again. */
  onChange: (isHealthy: boolean) => void;
}

/** Checks an engine at intervals. The returned function ends the checks. */
export function watchHealth({
  clock,
  intervalMs,
  maxMisses,
  check,
  onChange,
}: HealthWatchOptions): () => void {
  let isAnswered = true;
  let misses = 0;
  let isStopped = false;
  let cancel = () => {};
  const runCheck = () => {
    misses = isAnswered ? 0 : misses + 1;
    if (misses === maxMisses) onChange(false);
    if (isStopped) return;
    isAnswered = false;
    check().then(
      () => {
        isAnswered = true;
        if (misses >= maxMisses && !isStopped) onChange(true);
        misses = 0;
      },
      () => {},
    );
    cancel = clock.after(intervalMs, runCheck);
  };
  cancel = clock.after(intervalMs, runCheck);
  return () => {
    isStopped = true;
    cancel();
  };
}
