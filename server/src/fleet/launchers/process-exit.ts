import { constants } from "node:os";

/** How a process ended. At most one of the three is not null. */
export interface ProcessExit {
  exitCode: number | null;
  /** `SIGKILL`, for example. */
  signal: string | null;
  /** The system's error when the process could not be started; for the log, as it may name a path. */
  startError: string | null;
}

/** The exit that Node's `exit` event reports. */
export function processExit(exitCode: number | null, signal: string | null): ProcessExit {
  return signal === null
    ? { exitCode, signal: null, startError: null }
    : { exitCode: null, signal, startError: null };
}

export function failedStart(error: Error): ProcessExit {
  return { exitCode: null, signal: null, startError: error.message };
}

/** Signals that end a program before it can react. */
const FATAL_SIGNALS = [
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGILL",
  "SIGKILL",
  "SIGSEGV",
  "SIGSYS",
  "SIGTRAP",
] as const;

/**
 * The exit of a program that a shell ran. The shell reports the end by a signal as 128 + the signal's number, but programs
 * that handle SIGINT or SIGTERM end by themselves with such a code: it means a signal only where the signal is fatal.
 */
export function shellExit(exitCode: number | null, signal: string | null): ProcessExit {
  const number = signal === null && exitCode !== null ? exitCode - 128 : 0;
  const name = FATAL_SIGNALS.find((fatal) => constants.signals[fatal] === number);
  return processExit(exitCode, name ?? signal);
}

/** The exit codes with which a shell reports a program that it could not run. */
const MEANINGS: ReadonlyMap<number, string> = new Map([
  [126, "the program can't be executed"],
  [127, "the program was not found"],
]);

/** `exit code 3`, `signal SIGKILL`, `not started: …`; for the log. */
export function describeExit({ exitCode, signal, startError }: ProcessExit): string {
  if (startError !== null) return `not started: ${startError}`;
  return signal === null ? `exit code ${exitCode}` : `signal ${signal}`;
}

/** The same in words that every client may read, with the usual cause. */
export function describeExitPublicly(exit: ProcessExit): string {
  if (exit.startError !== null) return "the process could not be started";
  const meaning = MEANINGS.get(exit.exitCode ?? 0);
  if (meaning !== undefined) return `${describeExit(exit)}: ${meaning}`;
  // Linux ends the largest process this way when memory runs out, and tells nobody else.
  return exit.signal === "SIGKILL" ? "signal SIGKILL, often for lack of memory" : describeExit(exit);
}
