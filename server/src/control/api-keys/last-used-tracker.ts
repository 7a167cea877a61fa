import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { Keyring } from "./keyring.ts";
import type { ApiKeyStore } from "./store.ts";

const RECORD_INTERVAL_MS = 60_000;

/** Stores when keys were last used, once a minute and when stopped. */
export function trackLastUsed(options: {
  keyring: Keyring;
  store: ApiKeyStore;
  clock: Clock;
  log: BasicLog;
}): { stop(): Promise<void> } {
  const { keyring, store, clock, log } = options;
  let cancel = (): void => {};
  async function record(): Promise<void> {
    const uses = keyring.takeLastUsed();
    if (uses.length === 0) return;
    await store.recordLastUsed(uses).catch((err: unknown) => {
      log.warn({ err }, "The last uses of API keys can't be stored");
    });
  }
  function schedule(): void {
    cancel = clock.after(RECORD_INTERVAL_MS, () => {
      void record();
      schedule();
    });
  }
  schedule();
  return {
    stop() {
      cancel();
      return record();
    },
  };
}
