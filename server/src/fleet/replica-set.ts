import type { Clock } from "../lib/clock.ts";
import type { ReplicaDiagnostics } from "./failure.ts";
import type { Replica } from "./replica.ts";
import { nextRolloutStep, type RolloutReplica } from "./rollout.ts";
import type { ReplicaStatus } from "./types.ts";

export interface ReplicaSetOptions {
  /** The deployment's id: replicas are named after it. */
  id: string;
  clock: Clock;
  /** Longest time that running generations keep a replica that is to go. */
  drainGraceMs: number;
  /** Called when `routable` or a status may have changed. */
  onChange: () => void;
  /** Called when a replica may take another request. */
  onCapacityFreed: () => void;
}

/** What a new replica is made of. */
export interface ReplicaTemplate {
  revision: string;
  /** Not started yet. `onChange` and `onRoom` are the replica's. */
  create(id: string, onChange: () => void, onRoom: () => void): Replica;
}

class Slot implements RolloutReplica {
  readonly index: number;
  readonly replica: Replica;
  /** Monotonic; until when its generations may run. */
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

/** The replicas of a deployment: brought to the wanted number and revision, drained before they are stopped. */
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

  /** Those that may be given requests, in a stable order. Replaced, never changed. */
  get routable(): readonly Replica[] {
    return this.#routable;
  }

  /** Those that are to stay, ready or not. */
  get live(): readonly Replica[] {
    return this.#slots.filter((slot) => !slot.isDraining).map((slot) => slot.replica);
  }

  /** The slots in use: generations that run and requests that are about to begin. */
  get load(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.load, 0);
  }

  status(): ReplicaStatus[] {
    return this.#slots.map((slot) => slot.replica.status());
  }

  diagnostics(): ReplicaDiagnostics[] {
    return this.#slots.flatMap((slot) => slot.replica.diagnostics() ?? []);
  }

  /** What should run from now on. */
  setDesired(target: number, blueprint: ReplicaTemplate): void {
    this.#target = target;
    this.#template = blueprint;
    this.#reconcile();
  }

  /** Drains and stops every replica, the running generations after at most `graceMs`; resolves once all are gone. */
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

  /** Changes that a step makes call back here; they are part of it. */
  #reconcile(): void {
    if (this.#isReconciling) return;
    this.#isReconciling = true;
    while (this.#applyNextStep());
    this.#stopDrained();
    this.#routable = this.#slots.filter((slot) => slot.isRoutable).map((slot) => slot.replica);
    this.#isReconciling = false;
    this.#options.onChange();
  }

  /** False when there is nothing more to do for now. */
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

  /** Stops what has drained or has had its time, and looks again when the next one's time is up. */
  #stopDrained(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#cancelTimer();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots) {
      if (slot.isStopping || !slot.isDraining) continue;
      // One whose engine has ended has nothing left to finish.
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

/** The smallest number that no replica has: names stay the same over restarts of the platform. */
function firstFree(slots: readonly Slot[]): number {
  for (let index = 0; ; index++) {
    if (!slots.some((slot) => slot.index === index)) return index;
  }
}
