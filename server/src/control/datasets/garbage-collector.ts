import { blobPrefix } from "./files.ts";
import type { DatasetOperationDeps } from "./types.ts";

/** How long a signed URL accepts an upload. */
export const UPLOAD_URL_MS = 6 * 3_600_000;
/**
 * Age at which garbage is removed. All upload URLs of a deleted dataset have expired by then, and no filter or split
 * that still writes its files takes so long.
 */
const MIN_AGE_MS = 2 * UPLOAD_URL_MS;
const SWEEP_INTERVAL_MS = 3_600_000;

export interface GarbageCollector {
  /** Removes the files of deleted datasets, and of new datasets that were never inserted. */
  sweep(): Promise<void>;
  /** Sweeps now and every hour, until `stop`. */
  start(): void;
  stop(): void;
}

/** @param onFailure called with the error of a failed sweep; the next sweep tries again */
export function createGarbageCollector(
  { store, clock, blobs }: Pick<DatasetOperationDeps, "store" | "clock" | "blobs">,
  onFailure: (error: unknown) => void,
): GarbageCollector {
  let cancel: (() => void) | null = null;

  async function sweep(): Promise<void> {
    for (;;) {
      const garbage = await store.garbageBefore(new Date(clock.now() - MIN_AGE_MS));
      if (garbage.length === 0) return;
      for (const row of garbage) await blobs.deletePrefix(blobPrefix(row));
      await store.deleteGarbage(garbage.map(({ uid }) => uid));
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
