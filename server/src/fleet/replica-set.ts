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
  /** Creates a replica that is not started. The replica calls `onChange` and `onCapacityFreed` as its options say. */
  create(id: string, onChange: () => void, onCapacityFreed: () => void): Replica;
}

class ManagedReplica implements RolloutReplica {
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
  #managed: ManagedReplica[] = [];
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
    return this.#managed.filter((managed) => !managed.isDraining).map((managed) => managed.replica);
  }

  /** The load of all replicas, reservations included. */
  get load(): number {
    return this.#managed.reduce((sum, managed) => sum + managed.load, 0);
  }

  status(): ReplicaStatus[] {
    return this.#managed.map((managed) => managed.replica.status());
  }

  diagnostics(): ReplicaDiagnostics[] {
    return this.#managed.flatMap((managed) => managed.replica.diagnostics() ?? []);
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
    for (const managed of this.#managed) managed.drainUntilMs = Math.min(managed.drainUntilMs, untilMs);
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
    this.#routable = this.#managed.filter((managed) => managed.isRoutable).map((managed) => managed.replica);
    this.#isReconciling = false;
    this.#options.onChange();
  }

  /** Returns false when no step is left for now. */
  #applyNextStep(): boolean {
    const { revision } = this.#template ?? { revision: "" };
    const members = this.#managed.filter((managed) => !managed.isStopping);
    const { drain, revive, add } = nextRolloutStep(members, this.#target, revision);
    for (const managed of drain) this.#drain(managed);
    for (const managed of revive) this.#revive(managed);
    for (let i = 0; i < add; i++) this.#add();
    return drain.length + revive.length + add > 0;
  }

  #add(): void {
    const { create } = this.#template!;
    const index = firstFree(this.#managed);
    const replica = create(
      `${this.#options.id}/replicas/${index}`,
      () => this.#reconcile(),
      () => this.#capacityFreed(replica),
    );
    this.#managed = [...this.#managed, new ManagedReplica(index, replica)].sort((a, b) => a.index - b.index);
    replica.start();
  }

  #drain(managed: ManagedReplica): void {
    managed.drainUntilMs = this.#options.clock.monotonicMs() + this.#graceMs;
    managed.replica.isDraining = true;
  }

  #revive(managed: ManagedReplica): void {
    managed.drainUntilMs = Number.POSITIVE_INFINITY;
    managed.replica.isDraining = false;
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
    for (const managed of this.#managed) {
      if (managed.isStopping || !managed.isDraining) continue;
      // A reservation must not keep a replica whose engine has ended.
      const isDone = managed.load === 0 || managed.replica.engine === null;
      if (isDone || managed.drainUntilMs <= nowMs) this.#stop(managed);
      else nextMs = Math.min(nextMs, managed.drainUntilMs);
    }
    if (Number.isFinite(nextMs))
      this.#cancelTimer = this.#options.clock.after(nextMs - nowMs, () => this.#reconcile());
    if (this.#managed.length === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  #stop(managed: ManagedReplica): void {
    managed.isStopping = true;
    void managed.replica.stop().then(() => {
      this.#managed = this.#managed.filter((other) => other !== managed);
      this.#reconcile();
    });
  }
}

/** The smallest number that no replica has, so that names stay the same when the platform restarts. */
function firstFree(managed: readonly ManagedReplica[]): number {
  for (let index = 0; ; index++) {
    if (!managed.some((one) => one.index === index)) return index;
  }
}
