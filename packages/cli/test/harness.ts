import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type IPty, spawn as spawnInTerminal } from "@lydell/node-pty";
import { afterAll } from "vitest";
import { run } from "../src/main.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const WAIT_MS = 30_000;

const cleanups: (() => void)[] = [];
afterAll(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Options {
  env?: Record<string, string>;
  /** Standard input. */
  input?: string;
  cwd?: string;
  /** The user id of the process; only root can set it. */
  uid?: number;
  /** Node's own flags. */
  node?: readonly string[];
}

/** The packed program in a temporary folder, with a home folder beside it. */
export interface Firectl {
  program: string;
  folder: string;
  env: Record<string, string>;
  run(args: readonly string[], options?: Options): Promise<RunResult>;
  /** Runs a command in this process, which is faster. */
  runHere(args: readonly string[]): Promise<RunResult>;
  /** Starts the program in a pseudo-terminal. */
  open(args: readonly string[], options?: Options): Terminal;
}

/** A temporary folder that other users can enter; it is deleted after the test file. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "firectl-run-"));
  chmodSync(folder, 0o755);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Builds firectl. @param env settings, such as FIREWORKS_API_BASE */
export async function builtFirectl(env: Record<string, string> = {}): Promise<Firectl> {
  await promisify(execFile)(process.execPath, [join(root, "bin/firectl.mjs"), "version"]);
  const folder = tempFolder();
  const program = join(folder, "firectl.mjs");
  copyFileSync(join(root, "dist/firectl.mjs"), program);
  const home = join(folder, "home");
  mkdirSync(home, { mode: 0o777 });
  chmodSync(home, 0o777);
  const all = { PATH: process.env["PATH"] ?? "", HOME: home, TERM: "xterm", ...env };
  return {
    program,
    folder,
    env: all,
    run: (args, options = {}) =>
      runToEnd([program, ...args], { ...options, env: { ...all, ...options.env } }),
    runHere: (args) => runHere(args, all),
    open: (args, options = {}) => new Terminal([program, ...args], { ...all, ...options.env }),
  };
}

async function runHere(args: readonly string[], env: Record<string, string>): Promise<RunResult> {
  const texts = { stdout: "", stderr: "" };
  const outputStream = (name: "stdout" | "stderr") => ({
    isTerminal: false,
    columns: 80,
    async write(text: string) {
      texts[name] += text;
    },
  });
  const code = await run(args, {
    env,
    home: env["HOME"] ?? "",
    stdin: process.stdin,
    fetch: globalThis.fetch,
    stdout: outputStream("stdout"),
    stderr: outputStream("stderr"),
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
    pause: (ms) => sleep(ms),
  });
  return { code, ...texts };
}

function runToEnd(argv: readonly string[], { env, input, cwd, uid, node = [] }: Options): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, [...node, ...argv], { env, cwd, uid, stdio: "pipe" });
    cleanups.push(() => child.kill("SIGKILL"));
    const texts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        texts[name] += text;
      });
    }
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, ...texts }));
  });
}

/** A program in a pseudo-terminal. */
export class Terminal {
  /** Its exit code. */
  readonly exited: Promise<number>;
  readonly #pty: IPty;
  #output = "";
  #listeners = new Set<() => void>();

  constructor(argv: readonly string[], env: Record<string, string>) {
    this.#pty = spawnInTerminal(process.execPath, [...argv], { env, cols: 100, rows: 30 });
    this.#pty.onData((text) => {
      this.#output += text;
      for (const listener of this.#listeners) listener();
    });
    this.exited = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode }) => resolve(exitCode));
    });
    cleanups.push(() => this.#kill());
  }

  /** All output so far, including control sequences. */
  get output(): string {
    return this.#output;
  }

  /** Sends keys; `\u0003` is Ctrl-C. */
  type(keys: string): void {
    this.#pty.write(keys);
  }

  /** Settles when the output matches. */
  async shows(pattern: RegExp): Promise<void> {
    let check: () => void = () => {};
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`${pattern} was never shown, but\n${this.#output}`)),
        WAIT_MS,
      );
      check = () => {
        if (!pattern.test(this.#output)) return;
        clearTimeout(limit);
        resolve();
      };
      this.#listeners.add(check);
      check();
    });
    this.#listeners.delete(check);
  }

  #kill(): void {
    try {
      this.#pty.kill("SIGKILL");
    } catch {
      // The program has already exited.
    }
  }
}

/**
 * A TCP proxy that closes after a number of bytes from clients, and passes bytes again once it is opened. Bytes that arrived while
 * it was closed are lost.
 */
export async function startGate(port: number, limitBytes: number) {
  let leftBytes = limitBytes;
  const heldBack = new Set<net.Socket>();
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const host = net.connect(port, "127.0.0.1");
    for (const socket of [client, host]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.on("data", (bytes) => {
      leftBytes -= bytes.length;
      client.pause();
      if (leftBytes >= 0) host.write(bytes, () => client.resume());
      else heldBack.add(client);
    });
    host.on("data", (bytes) => client.write(bytes));
    client.on("close", () => host.destroy());
    host.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  cleanups.push(close);
  return {
    origin: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    open(): void {
      leftBytes = Number.POSITIVE_INFINITY;
      for (const client of heldBack) client.destroy();
    },
  };
}
