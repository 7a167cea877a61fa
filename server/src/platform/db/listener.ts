import type postgres from "postgres";
import { systemClock } from "../../lib/clock.ts";

export interface ListenerOptions {
  /** Opens a client of one connection that tells of notifications and of its end. */
  connect(onnotify: (channel: string, payload: string) => void, onclose: () => void): postgres.Sql;
  onFailure(error: unknown): void;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/**
 * Listens on one connection for all channels, and connects again for as long as it takes when it is lost. The driver's
 * own `listen` gives up for good when the first attempt to connect again fails.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #channels = new Map<string, Set<(payload: string) => void>>();
  #client: postgres.Sql | null = null;
  #cancelRetry = (): void => {};
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Settles when the channel is listened to; throws when that fails the first time. */
  async listen(channel: string, fn: (payload: string) => void): Promise<() => Promise<void>> {
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners.add(fn));
    const stop = async (): Promise<void> => {
      listeners.delete(fn);
      if (listeners.size > 0 || this.#channels.get(channel) !== listeners) return;
      this.#channels.delete(channel);
      await this.#client?.unsafe(`unlisten ${quoteName(channel)}`).catch(() => {});
    };
    try {
      if (this.#client === null) await this.#open();
      else await this.#client.unsafe(`listen ${quoteName(channel)}`);
    } catch (error) {
      await stop();
      throw error;
    }
    fn("");
    return stop;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    await this.#client?.end({ timeout: 1 });
  }

  /** Connects and listens to all channels. */
  async #open(): Promise<void> {
    const client = this.#options.connect(
      (channel, payload) => {
        for (const fn of this.#channels.get(channel) ?? []) fn(payload);
      },
      () => this.#lost(client, 0),
    );
    this.#client = client;
    try {
      for (const channel of this.#channels.keys()) await client.unsafe(`listen ${quoteName(channel)}`);
      this.#retryMs = FIRST_RETRY_MS;
    } catch (error) {
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
      this.#lost(client, this.#retryMs);
      throw error;
    }
  }

  #lost(client: postgres.Sql, delayMs: number): void {
    // A late word of an earlier connection changes nothing.
    if (this.#client !== client && this.#client !== null) return;
    this.#client = null;
    void client.end({ timeout: 0 });
    this.#cancelRetry();
    if (!this.#closed) this.#cancelRetry = systemClock.after(delayMs, () => void this.#resume());
  }

  async #resume(): Promise<void> {
    if (this.#closed || this.#channels.size === 0 || this.#client !== null) return;
    try {
      await this.#open();
      for (const listeners of this.#channels.values()) for (const fn of listeners) fn("");
    } catch (error) {
      if (!this.#closed) this.#options.onFailure(error);
    }
  }
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
