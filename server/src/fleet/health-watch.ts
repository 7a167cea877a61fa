import type { Clock } from "../lib/clock.ts";

export interface HealthWatchOptions {
  clock: Clock;
  intervalMs: number;
  /** Checks in a row without an answer after which the engine counts as gone. */
  maxMisses: number;
  /** Resolves while the engine answers. */
  check: () => Promise<void>;
  /** Called when the engine counts as gone, and when it answers again. */
  onChange: (isHealthy: boolean) => void;
}

/** Asks again and again whether an engine answers. The returned function ends it. */
export function watchHealth({
  clock,
  intervalMs,
  maxMisses,
  check,
  onChange,
}: HealthWatchOptions): () => void {
  let isAnswered = true;
  let misses = 0;
  let isOver = false;
  let cancel = () => {};
  const look = () => {
    misses = isAnswered ? 0 : misses + 1;
    if (misses === maxMisses) onChange(false);
    if (isOver) return;
    isAnswered = false;
    check().then(
      () => {
        isAnswered = true;
        if (misses >= maxMisses && !isOver) onChange(true);
        misses = 0;
      },
      () => {},
    );
    cancel = clock.after(intervalMs, look);
  };
  cancel = clock.after(intervalMs, look);
  return () => {
    isOver = true;
    cancel();
  };
}
