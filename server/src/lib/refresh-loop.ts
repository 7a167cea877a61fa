import type { Clock } from "./clock.ts";

export interface RefreshLoop {
  /** Settles after a load that began after the call. Rejects when that load fails. */
  refresh(): Promise<void>;
  /** Refreshes in the background. A failure goes to `onFailure`, and the next load makes up for it. */
  refreshInBackground(): void;
  stop(): void;
}

/** Runs `load` every `everyMs` and on demand, one at a time. */
export function startRefreshLoop(
  load: () => Promise<void>,
  options: { everyMs: number; clock: Clock; onFailure(error: unknown): void },
): RefreshLoop {
  const { everyMs, clock, onFailure } = options;
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let stopped = false;
  let cancelTimer = (): void => {};

  function startLoad(): Promise<void> {
    const current = load().finally(() => {
      if (running === current) running = null;
    });
    running = current;
    return current;
  }

  function refresh(): Promise<void> {
    if (running === null) return startLoad();
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null;
        return startLoad();
      });
    return next;
  }

  function refreshInBackground(): void {
    if (stopped) return;
    refresh().catch((error: unknown) => {
      if (!stopped) onFailure(error);
    });
  }

  function schedule(): void {
    cancelTimer = clock.after(everyMs, () => {
      refreshInBackground();
      schedule();
    });
  }
  schedule();
  return {
    refresh,
    refreshInBackground,
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}
