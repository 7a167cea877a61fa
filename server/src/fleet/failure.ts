import { EngineError } from "../engine/errors.ts";
import { AppError } from "../lib/errors.ts";
import { describeExit, describeExitPublicly, type ProcessExit } from "./launchers/process-exit.ts";

/** Why a replica is not running. Every field may be shown to every client. */
export interface ReplicaFailure {
  /** A sentence without paths, stacks or output of a process. */
  message: string;
  /** Exit code of the engine's process; null when a signal ended the process, or when no process has ended. */
  exitCode: number | null;
  /** `SIGKILL`, for example; null when no signal ended the process. */
  signal: string | null;
  /** Wall clock. */
  atMs: number;
}

/** A failure with details for the operator. The details are never shown to other accounts. */
export interface ReplicaDiagnostics extends ReplicaFailure {
  replica: string;
  /** The last lines of the process's output: at most 20 lines and 4,096 characters. */
  outputTail: readonly string[];
}

/** An engine's process that could not load its model. The message is public; `exit` and `outputTail` are not. */
export class EngineStartError extends EngineError {
  /** Null when the process was still running. */
  readonly exit: ProcessExit | null;
  readonly outputTail: readonly string[];

  constructor(error: EngineError, exit: ProcessExit | null, outputTail: readonly string[]) {
    const hasEnded = error.code === "unavailable" && exit !== null;
    const message = hasEnded
      ? `The model's engine ended while loading (${describeExitPublicly(exit)}).`
      : error.message;
    super(error.code, message, hasEnded ? new Error(describeExit(exit)) : error.cause);
    this.name = "EngineStartError";
    this.exit = exit;
    this.outputTail = outputTail;
  }
}

/** The public message of an error: its own where its type promises a public message, else `otherwise`. */
export function publicMessage(error: unknown, otherwise: string): string {
  return error instanceof EngineError || error instanceof AppError ? error.message : otherwise;
}
