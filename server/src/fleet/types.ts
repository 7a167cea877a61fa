import type { Engine } from "../engine/engine.ts";
import type { ReplicaFailure } from "./failure.ts";
import type { ProcessExit } from "./launchers/process-exit.ts";
import type { ProcessUse } from "./launchers/process-use.ts";
import type { Accelerators } from "./spec.ts";

export type ReplicaState =
  /** Waits for accelerators that other replicas hold. */
  | "pending"
  /** This host can never run it as it is specified: the host lacks accelerators or memory. */
  | "unplaceable"
  | "missing-weights"
  | "starting"
  | "ready"
  /** Its engine, which the platform did not start, doesn't answer. */
  | "unhealthy"
  | "backoff"
  | "stopping"
  | "stopped";

/** How far a replica has come, for people. */
export type ReplicaStage = "pending" | "downloading" | "initializing" | "ready" | "draining";

export interface ReplicaStatus {
  id: string;
  model: string;
  deployment: string;
  /** See ReplicaOptions. */
  revision: string;
  state: ReplicaState;
  stage: ReplicaStage;
  /** Why the replica isn't ready, in public words; null when it is. */
  message: string | null;
  /** The latest failure, until the replica has been ready for a minute since. Null: none. */
  lastFailure: ReplicaFailure | null;
  /** Pieces of work that run on it. */
  outstanding: number;
  /** Starts after the first, since the server started. */
  restarts: number;
  /** Failures in a row, of starts and of engines that ran for less than a minute. */
  failures: number;
  pid: number | null;
  /** The accelerators it holds or waits for; null: none. */
  accelerators: Accelerators | null;
}

/** An engine that runs. */
export interface RunningEngine {
  engine: Engine;
  pid: number | null;
  /** Resolves when the engine can't be reached any more; never rejects. */
  lost: Promise<void>;
  /** Resources that the engine's processes have used; absent or null: not known. */
  readUse?(): ProcessUse | null;
  /** The last lines of its process's output; for the operator only. Empty where the platform started no process. */
  outputTail(): readonly string[];
  /**
   * Ends the engine, with force after `graceMs`. Gives the exit of its process; null where the platform started none.
   * Never rejects. Idempotent.
   */
  stop(graceMs: number): Promise<ProcessExit | null>;
}

/** A step of a start. */
export interface StartupPhase {
  step: "pending" | "unplaceable" | "downloading" | "initializing";
  /** A public sentence. */
  message: string;
  /** The same for requests, which may be another account's. Absent: `message`. */
  requestMessage?: string;
}

/** Starts an engine; called again after each end of the engine. */
export type Boot = (signal: AbortSignal, onPhase: (phase: StartupPhase) => void) => Promise<RunningEngine>;
