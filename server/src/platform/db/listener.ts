import type postgres from "postgres";
import { systemClock } from "../../lib/clock.ts";

export interface ListenerOptions {
  /**
   * Opens a client with one connection.
   * @param onnotify called for each notification.
   * @param onclose called when the connection ends.
   */
  connect(onnotify: (channel: string, payload: string) => void, onclose: () => void): postgres.Sql;
  onFailure(error: unknown): void;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/**
 * Listens to all channels on one connection. When the connection is lost, it reconnects until it succeeds. The driver's
 * own `listen` gives up for good when its first attempt to reconnect fails.
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

  /** Settles when listening has started. @returns a function that ends it. @throws when the first attempt fails. */
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
    // Ignore late events of an earlier connection.
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
