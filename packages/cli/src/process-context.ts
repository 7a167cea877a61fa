import { homedir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** Standard output or standard error. */
export interface OutputStream {
  /** Settles when the text is written; rejects when the stream is broken. */
  write(text: string): Promise<void>;
  readonly isTerminal: boolean;
  /** The width of the terminal in characters; 80 when it is unknown. */
  readonly columns: number;
}

/** The environment of the program. Only this file reads it, so that tests can replace all of it. */
export interface ProcessContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly fetch: typeof globalThis.fetch;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  nowMs(): number;
  /** Waits; rejects when the signal aborts. */
  pause(ms: number): Promise<void>;
}

export function createProcessContext(signal: AbortSignal): ProcessContext {
  return {
    env: process.env,
    home: process.env["HOME"] || homedir(),
    stdin: process.stdin,
    stdout: outputStream(process.stdout),
    stderr: outputStream(process.stderr),
    fetch: (...args) => globalThis.fetch(...args),
    signal,
    nowMs: () => performance.now(),
    pause: (ms) => sleep(ms, undefined, { signal }),
  };
}

function outputStream(stream: NodeJS.WriteStream): OutputStream {
  // `write` reports the error. Without this listener, Node would end the program with a stack trace.
  stream.on("error", () => {});
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => (error == null ? resolve() : reject(error)));
      }),
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || 80;
    },
  };
}
