import type { DatasetsDeps } from "./access.ts";
import { blobPrefix } from "./files.ts";

/** How long a signed URL for an upload works. */
export const UPLOAD_URL_MS = 6 * 3_600_000;
/** Until nothing can be written under a deleted dataset any more, and nothing is being made that takes so long. */
const SETTLE_MS = 2 * UPLOAD_URL_MS;
const SWEEP_INTERVAL_MS = 3_600_000;

export interface GarbageCollector {
  /** Removes what is left of deleted datasets, and of those that were never finished. */
  sweep(): Promise<void>;
  /** Sweeps from now on, until `stop`. */
  start(): void;
  stop(): void;
}

/** @param onFailure hears why a sweep failed; the next one tries again. */
export function createGarbageCollector(
  { store, clock, blobs }: Pick<DatasetsDeps, "store" | "clock" | "blobs">,
  onFailure: (error: unknown) => void,
): GarbageCollector {
  let cancel: (() => void) | null = null;

  async function sweep(): Promise<void> {
    for (;;) {
      const remains = await store.garbageBefore(new Date(clock.now() - SETTLE_MS));
      if (remains.length === 0) return;
      for (const row of remains) await blobs.deletePrefix(blobPrefix(row));
      await store.deleteGarbage(remains.map(({ uid }) => uid));
    }
  }

  function schedule(delayMs: number): void {
    cancel = clock.after(delayMs, () => {
      sweep()
        .catch(onFailure)
        .finally(() => {
          if (cancel !== null) schedule(SWEEP_INTERVAL_MS);
        });
    });
  }

  return {
    sweep,
    start: () => schedule(0),
    stop() {
      cancel?.();
      cancel = null;
    },
  };
}
