import { availableParallelism, totalmem } from "node:os";
import type { Accelerators } from "./spec.ts";

export interface DeviceAllocatorOptions {
  /** Type → how many; devices are numbered in this order, each maker's from 0. Default: none. */
  accelerators?: ReadonlyMap<string, number>;
  /** The label of the place, for people. */
  region?: string | null;
}

/** What the host has. */
export interface HostStatus {
  cpuCount: number;
  memoryBytes: number;
  region: string | null;
  accelerators: { type: string; total: number; free: number }[];
}

/** Accelerators that one replica has for itself. */
export interface DeviceLease {
  /** Makes them the only ones the replica's process sees. */
  env: Record<string, string>;
  /** Gives them back. Idempotent. */
  release(): void;
}

interface Waiter {
  wanted: Accelerators;
  give(devices: number[]): void;
}

const NO_DEVICES: DeviceLease = { env: {}, release: () => {} };

/** The accelerators of the host: each is given to one replica at a time, in the order in which they are asked for. */
export class DeviceAllocator {
  readonly #region: string | null;
  readonly #totals: ReadonlyMap<string, number>;
  /** Numbers of the free devices, by type. */
  readonly #free = new Map<string, number[]>();
  #waiters: Waiter[] = [];

  constructor({ accelerators = new Map(), region = null }: DeviceAllocatorOptions = {}) {
    this.#region = region;
    this.#totals = accelerators;
    const next = new Map<string, number>();
    for (const [type, count] of accelerators) {
      const first = next.get(vendorOf(type)) ?? 0;
      next.set(vendorOf(type), first + count);
      this.#free.set(
        type,
        Array.from({ length: count }, (_, i) => first + i),
      );
    }
  }

  status(): HostStatus {
    return {
      cpuCount: availableParallelism(),
      memoryBytes: memoryBytes(),
      region: this.#region,
      accelerators: [...this.#totals].map(([type, total]) => ({
        type,
        total,
        free: this.#free.get(type)!.length,
      })),
    };
  }

  /** Why this host can never give them, in a public sentence; null when it can. */
  shortage({ type, count }: Accelerators): string | null {
    const total = this.#totals.get(type) ?? 0;
    if (total >= count) return null;
    const others = [...this.#totals].map(([other, number]) => `${number} ${other}`).join(", ");
    if (others === "") return `This host has no accelerators; a replica needs ${count} ${type}.`;
    return `A replica needs ${count} ${type}; this host has ${others}.`;
  }

  /**
   * Waits until they are free; null asks for nothing.
   * @param onWait called when they are not free now. @throws the signal's reason.
   */
  async acquire(
    wanted: Accelerators | null,
    signal: AbortSignal,
    onWait: (message: string) => void,
  ): Promise<DeviceLease> {
    signal.throwIfAborted();
    if (wanted === null) return NO_DEVICES;
    const { type, count } = wanted;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        this.#serveWaiters();
        reject(signal.reason);
      };
      const waiter: Waiter = {
        wanted,
        give: (devices) => {
          signal.removeEventListener("abort", onAbort);
          resolve(this.#lease(type, devices));
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serveWaiters();
      if (this.#waiters.includes(waiter)) {
        const free = this.#free.get(type)?.length ?? 0;
        onWait(`Waiting for ${count} ${type}; ${free} of this host's are free.`);
      }
    });
  }

  #lease(type: string, devices: number[]): DeviceLease {
    let isOver = false;
    return {
      env: { [vendorOf(type) === "AMD" ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES"]: devices.join(",") },
      release: () => {
        if (isOver) return;
        isOver = true;
        this.#free.get(type)!.push(...devices);
        this.#serveWaiters();
      },
    };
  }

  /** In order: whoever needs many isn't passed over by those who need few. */
  #serveWaiters(): void {
    const blocked = new Set<string>();
    for (const waiter of this.#waiters) {
      const { type, count } = waiter.wanted;
      const free = this.#free.get(type);
      if (blocked.has(type) || free === undefined || free.length < count) {
        blocked.add(type);
        continue;
      }
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      waiter.give(free.sort((a, b) => a - b).splice(0, count));
    }
  }
}

/** `NVIDIA` of `NVIDIA_H100_80GB`: devices of different makers are numbered apart. */
function vendorOf(type: string): string {
  return type.slice(0, type.indexOf("_"));
}

/** What this process may use: a container may have less than the machine. */
function memoryBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
