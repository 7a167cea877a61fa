import { availableParallelism, totalmem } from "node:os";
import type { Accelerators } from "./spec.ts";

export interface DeviceAllocatorOptions {
  /** Number of devices by type. Devices are numbered in this order, those of each maker from 0. Default: none. */
  accelerators?: ReadonlyMap<string, number>;
  /** A label for people. */
  region?: string | null;
  /** For the weights of replicas. Default: the machine's, or the container's limit. */
  memoryBytes?: number;
}

/** The resources of the host. */
export interface HostStatus {
  cpuCount: number;
  memoryBytes: number;
  region: string | null;
  accelerators: { type: string; total: number; free: number }[];
}

/** Why a replica gets no room on the host, in public sentences. */
export interface PlacementProblem {
  /** With what the host has: for the owner of the deployment. */
  message: string;
  /** Without it: for requests, which may be another account's. */
  requestMessage: string;
}

/** Accelerators that one replica holds exclusively. */
export interface DeviceLease {
  /** Variables that hide all other accelerators from the replica's process. */
  env: Record<string, string>;
  /** Frees the accelerators. Idempotent. */
  release(): void;
}

interface Waiter {
  wanted: Accelerators;
  give(devices: number[]): void;
}

const NO_DEVICES: DeviceLease = { env: {}, release: () => {} };

/** Leases the accelerators of the host to replicas, first come, first served for each type. */
export class DeviceAllocator {
  readonly #region: string | null;
  readonly #memoryBytes: number;
  readonly #totals: ReadonlyMap<string, number>;
  /** Numbers of the free devices, by type. */
  readonly #free = new Map<string, number[]>();
  #waiters: Waiter[] = [];

  constructor(options: DeviceAllocatorOptions = {}) {
    const { accelerators = new Map<string, number>(), region = null } = options;
    this.#region = region;
    this.#memoryBytes = options.memoryBytes ?? memoryBytes();
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
      memoryBytes: this.#memoryBytes,
      region: this.#region,
      accelerators: [...this.#totals].map(([type, total]) => ({
        type,
        total,
        free: this.#free.get(type)!.length,
      })),
    };
  }

  /** Why this host can never provide the accelerators; null when it can. */
  shortage({ type, count }: Accelerators): PlacementProblem | null {
    const total = this.#totals.get(type) ?? 0;
    if (total >= count) return null;
    const others = [...this.#totals].map(([other, number]) => `${number} ${other}`).join(", ");
    const message =
      others === ""
        ? `This host has no accelerators; a replica needs ${count} ${type}.`
        : `A replica needs ${count} ${type}; this host has ${others}.`;
    return { message, requestMessage: `A replica needs ${count} ${type}, which this host lacks.` };
  }

  /**
   * Waits until the accelerators are free. @param wanted null: none.
   * @param onWait called when they are not free now. @throws the signal's reason.
   */
  async acquire(
    wanted: Accelerators | null,
    signal: AbortSignal,
    onWait: (problem: PlacementProblem) => void,
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
        onWait({
          message: `Waiting for ${count} ${type}; ${free} of this host's are free.`,
          requestMessage: `Waiting for ${count} ${type}.`,
        });
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

  /** Keeps the order: a replica that needs many devices must not starve behind replicas that need few. */
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

/** `NVIDIA` for `NVIDIA_H100_80GB`. The devices of each maker are numbered separately. */
function vendorOf(type: string): string {
  return type.slice(0, type.indexOf("_"));
}

/** Memory that this process may use; a container's limit may be below the machine's memory. */
function memoryBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
