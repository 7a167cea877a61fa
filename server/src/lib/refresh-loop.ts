import type { Clock } from "./clock.ts";

export interface RefreshLoop {
  /** Settles after a load that began after the call. */
  refresh(): Promise<void>;
  /** The same in the background; a failure is told and made good by the next load. */
  refreshInBackground(): void;
  stop(): void;
}

/** Runs `load` on demand, never two at once, and every `everyMs`. */
export function startRefreshLoop(
  load: () => Promise<void>,
  options: { everyMs: number; clock: Clock; onFailure(error: unknown): void },
): RefreshLoop {
  const { everyMs, clock, onFailure } = options;
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let stopped = false;
  let cancelTimer = (): void => {};

  function begin(): Promise<void> {
    const begun = load().finally(() => {
      if (running === begun) running = null;
    });
    running = begun;
    return begun;
  }

  function refresh(): Promise<void> {
    if (running === null) return begin();
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null;
        return begin();
      });
    return next;
  }

  function poke(): void {
    if (stopped) return;
    refresh().catch((error: unknown) => {
      if (!stopped) onFailure(error);
    });
  }

  function schedule(): void {
    cancelTimer = clock.after(everyMs, () => {
      poke();
      schedule();
    });
  }
  schedule();
  return {
    refresh,
    refreshInBackground: poke,
    stop() {
      stopped = true;
      cancelTimer();
    },
  };
}
