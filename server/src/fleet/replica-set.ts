import type { Clock } from "../lib/clock.ts";
import type { ReplicaDiagnostics } from "./failure.ts";
import type { Replica } from "./replica.ts";
import { nextRolloutStep, type RolloutReplica } from "./rollout.ts";
import type { ReplicaStatus } from "./types.ts";

export interface ReplicaSetOptions {
  /** The deployment's id: replicas are named after it. */
  id: string;
  clock: Clock;
  /** Longest time that running work keeps a draining replica alive. */
  drainGraceMs: number;
  /** Called when `routable` or a status may have changed. */
  onChange: () => void;
  /** Called when a replica may take another request. */
  onCapacityFreed: () => void;
}

/** Creates the replicas of one revision. */
export interface ReplicaTemplate {
  revision: string;
  /** Creates a replica that is not started. The replica calls `onChange` and `onRoom` as its options say. */
  create(id: string, onChange: () => void, onRoom: () => void): Replica;
}

class Slot implements RolloutReplica {
  readonly index: number;
  readonly replica: Replica;
  /** Monotonic; when work that still runs on it is ended. */
  drainUntilMs = Number.POSITIVE_INFINITY;
  isStopping = false;

  constructor(index: number, replica: Replica) {
    this.index = index;
    this.replica = replica;
  }

  get revision(): string {
    return this.replica.revision;
  }

  get isRoutable(): boolean {
    return this.replica.isRoutable;
  }

  get isBlocked(): boolean {
    return this.replica.state === "pending";
  }

  get isDraining(): boolean {
    return this.replica.isDraining;
  }

  get load(): number {
    return this.replica.load;
  }
}

/** Reconciles the replicas of a deployment with the desired number and revision; drains a replica before it stops it. */
export class ReplicaSet {
  readonly #options: ReplicaSetOptions;
  #slots: Slot[] = [];
  #template: ReplicaTemplate | null = null;
  #target = 0;
  #graceMs: number;
  #routable: readonly Replica[] = [];
  #isReconciling = false;
  #cancelTimer: () => void = () => {};
  #onEmpty: (() => void)[] = [];

  constructor(options: ReplicaSetOptions) {
    this.#options = options;
    this.#graceMs = options.drainGraceMs;
  }

  /** Replicas that may be given requests, in a stable order. The array is replaced, never changed. */
  get routable(): readonly Replica[] {
    return this.#routable;
  }

  /** Replicas that are not draining, ready or not. */
  get live(): readonly Replica[] {
    return this.#slots.filter((slot) => !slot.isDraining).map((slot) => slot.replica);
  }

  /** The load of all replicas, reservations included. */
  get load(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.load, 0);
  }

  status(): ReplicaStatus[] {
    return this.#slots.map((slot) => slot.replica.status());
  }

  diagnostics(): ReplicaDiagnostics[] {
    return this.#slots.flatMap((slot) => slot.replica.diagnostics() ?? []);
  }

  /** @param target number of replicas. */
  setDesired(target: number, template: ReplicaTemplate): void {
    this.#target = target;
    this.#template = template;
    this.#reconcile();
  }

  /** Drains every replica for at most `graceMs` and stops it; resolves once all have ended. */
  close(graceMs: number): Promise<void> {
    this.#graceMs = graceMs;
    this.#target = 0;
    const untilMs = this.#options.clock.monotonicMs() + graceMs;
    for (const slot of this.#slots) slot.drainUntilMs = Math.min(slot.drainUntilMs, untilMs);
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve);
      this.#reconcile();
    });
  }

  /** Not re-entrant: the changes that a step makes call it again, and the running loop takes them into account. */
  #reconcile(): void {
    if (this.#isReconciling) return;
    this.#isReconciling = true;
    while (this.#applyNextStep());
    this.#stopDrained();
    this.#routable = this.#slots.filter((slot) => slot.isRoutable).map((slot) => slot.replica);
    this.#isReconciling = false;
    this.#options.onChange();
  }

  /** Returns false when no step is left for now. */
  #applyNextStep(): boolean {
    const { revision } = this.#template ?? { revision: "" };
    const members = this.#slots.filter((slot) => !slot.isStopping);
    const { drain, revive, add } = nextRolloutStep(members, this.#target, revision);
    for (const slot of drain) this.#drain(slot);
    for (const slot of revive) this.#revive(slot);
    for (let i = 0; i < add; i++) this.#add();
    return drain.length + revive.length + add > 0;
  }

  #add(): void {
    const { create } = this.#template!;
    const index = firstFree(this.#slots);
    const replica = create(
      `${this.#options.id}/replicas/${index}`,
      () => this.#reconcile(),
      () => this.#capacityFreed(replica),
    );
    this.#slots = [...this.#slots, new Slot(index, replica)].sort((a, b) => a.index - b.index);
    replica.start();
  }

  #drain(slot: Slot): void {
    slot.drainUntilMs = this.#options.clock.monotonicMs() + this.#graceMs;
    slot.replica.isDraining = true;
  }

  #revive(slot: Slot): void {
    slot.drainUntilMs = Number.POSITIVE_INFINITY;
    slot.replica.isDraining = false;
  }

  #capacityFreed(replica: Replica): void {
    if (replica.isDraining) this.#reconcile();
    else this.#options.onCapacityFreed();
  }

  /** Stops the replicas that have drained or whose grace is over, and sets a timer for the end of the next grace. */
  #stopDrained(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#cancelTimer();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots) {
      if (slot.isStopping || !slot.isDraining) continue;
      // A reservation must not keep a replica whose engine has ended.
      const isDone = slot.load === 0 || slot.replica.engine === null;
      if (isDone || slot.drainUntilMs <= nowMs) this.#stop(slot);
      else nextMs = Math.min(nextMs, slot.drainUntilMs);
    }
    if (Number.isFinite(nextMs))
      this.#cancelTimer = this.#options.clock.after(nextMs - nowMs, () => this.#reconcile());
    if (this.#slots.length === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  #stop(slot: Slot): void {
    slot.isStopping = true;
    void slot.replica.stop().then(() => {
      this.#slots = this.#slots.filter((other) => other !== slot);
      this.#reconcile();
    });
  }
}

/** The smallest number that no replica has, so that names stay the same when the platform restarts. */
function firstFree(slots: readonly Slot[]): number {
  for (let index = 0; ; index++) {
    if (!slots.some((slot) => slot.index === index)) return index;
  }
}
