/** The weights of one replica. */
export interface WeightsMemory {
  /** Replicas of one file share its memory, because they map it. */
  path: string;
  sizeBytes: number;
}

/** Memory that a replica holds. */
export interface MemoryLease {
  /** Gives it back. Idempotent. */
  release(): void;
}

interface Waiter {
  wanted: WeightsMemory;
  give(): void;
}

/**
 * Counts the weights of the host's replicas against its memory, before they are loaded. A replica whose weights don't fit
 * beside those of the others waits, first come, first served, because a machine that swaps is too slow for all of them.
 */
export class MemoryAllocator {
  readonly #totalBytes: number;
  readonly #held = new Map<string, { sizeBytes: number; replicas: number }>();
  #waiters: Waiter[] = [];

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  get freeBytes(): number {
    let free = this.#totalBytes;
    for (const { sizeBytes } of this.#held.values()) free -= sizeBytes;
    return free;
  }

  /**
   * Waits until the weights fit. Weights above the host's memory never do: check that before.
   * @param onWait called with the free bytes when they don't fit now. @throws the signal's reason.
   */
  async acquire(
    wanted: WeightsMemory,
    signal: AbortSignal,
    onWait: (freeBytes: number) => void,
  ): Promise<MemoryLease> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        leave();
        this.#serveWaiters();
        reject(signal.reason);
      };
      const waiter: Waiter = {
        wanted,
        give: () => {
          leave();
          resolve(this.#lease(wanted));
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serveWaiters();
      if (this.#waiters.includes(waiter)) onWait(this.freeBytes);
    });
  }

  #lease({ path, sizeBytes }: WeightsMemory): MemoryLease {
    const held = this.#held.get(path) ?? { sizeBytes, replicas: 0 };
    held.replicas++;
    this.#held.set(path, held);
    let isOver = false;
    return {
      release: () => {
        if (isOver) return;
        isOver = true;
        if (--held.replicas === 0) this.#held.delete(path);
        this.#serveWaiters();
      },
    };
  }

  /** Keeps the order, so that large weights don't starve behind small ones; weights that are held already need nothing. */
  #serveWaiters(): void {
    let isBlocked = false;
    for (const { wanted, give } of [...this.#waiters]) {
      if (this.#held.has(wanted.path)) give();
      else if (isBlocked || wanted.sizeBytes > this.freeBytes) isBlocked = true;
      else give();
    }
  }
}
