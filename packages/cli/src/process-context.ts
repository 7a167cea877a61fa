import { homedir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** A place to write to. */
export interface OutputStream {
  /** Settles when more may be written. */
  write(text: string): Promise<void>;
  readonly isTerminal: boolean;
  /** Characters of a line; 80 when that is unknown. */
  readonly columns: number;
}

/** What the program has of its surroundings; the only file that reads them. */
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
  /** Rejects when the signal aborts. */
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
  // Whoever writes is told; an error without a listener would end the program with its stack.
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
