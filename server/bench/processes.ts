/** Starts, pins, measures and ends the processes of a benchmark. Ends only processes that it started, by pid. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

export const ROOT = new URL("../../", import.meta.url);

const started = new Set<ChildProcess>();
const canPin = availableParallelism() >= 2 && spawnSync("taskset", ["-V"]).status === 0;

export interface StartOptions {
  /** The core to run on, if the machine can pin processes; null: any core. */
  core: number | null;
  env?: Record<string, string>;
  /** Arguments of node, placed before the script. */
  nodeArgs?: readonly string[];
}

/** Runs a script in a new node process with a message channel. Its output is kept, to be shown only when something fails. */
export function startNode(
  script: string | URL,
  args: readonly string[],
  options: StartOptions,
): ChildProcess {
  const file = script instanceof URL ? fileURLToPath(script) : script;
  const tsx = file.endsWith(".ts") ? ["--import", "tsx"] : [];
  const command = [process.execPath, ...tsx, ...(options.nodeArgs ?? []), file, ...args];
  if (canPin && options.core !== null) command.unshift("taskset", "-c", String(options.core));
  const child = spawn(command[0]!, command.slice(1), {
    cwd: fileURLToPath(ROOT),
    env: { ...process.env, NODE_ENV: "production", ...options.env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A process group of its own: Ctrl-C reaches only the benchmark, which then ends its children in order.
    detached: true,
  });
  keepOutput(child);
  started.add(child);
  child.once("exit", () => started.delete(child));
  return child;
}

const outputs = new WeakMap<ChildProcess, string>();

function keepOutput(child: ChildProcess): void {
  const keep = (data: Buffer) => outputs.set(child, ((outputs.get(child) ?? "") + data).slice(-4_000));
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
}

export function outputOf(child: ChildProcess): string {
  return outputs.get(child) ?? "";
}

/** Sends one message and waits for the next one back. */
export async function request<Message>(
  child: ChildProcess,
  message: object,
  timeoutMs: number,
): Promise<Message> {
  const answer = nextMessage<Message>(child, timeoutMs);
  child.send(message);
  return answer;
}

export async function nextMessage<Message>(child: ChildProcess, timeoutMs: number): Promise<Message> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeoutMs);
  const gone = once(child, "exit", { signal: stop.signal }).then(() => {
    throw new Error(`a benchmark process ended early:\n${outputOf(child)}`);
  });
  try {
    const [message] = await Promise.race([
      once(child, "message", { signal: stop.signal }),
      gone as Promise<never>,
    ]);
    return message as Message;
  } catch (error) {
    if (timer.hasRef() && !stop.signal.aborted) throw error;
    throw new Error(`a benchmark process did not answer in ${timeoutMs} ms:\n${outputOf(child)}`);
  } finally {
    gone.catch(() => {});
    clearTimeout(timer);
    stop.abort();
  }
}

/** Waits until `url` answers 200. */
export async function waitUntilUp(child: ChildProcess, url: string, timeoutMs: number): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (performance.now() < untilMs) {
    if (child.exitCode !== null) throw new Error(`a server ended while starting:\n${outputOf(child)}`);
    const ok = await fetch(url).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`a server was not up after ${timeoutMs} ms:\n${outputOf(child)}`);
}

/** Ends a process and everything it started: SIGTERM, then SIGKILL after `graceMs`. */
export async function end(child: ChildProcess, graceMs = 10_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const family = tree(child.pid!);
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => {
    for (const { pid } of family) kill(pid);
  }, graceMs);
  await exited;
  clearTimeout(timer);
  for (const { pid, start } of family) if (startOf(pid) === start) kill(pid);
}

export async function endAll(): Promise<void> {
  await Promise.all([...started].map((child) => end(child)));
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Already gone.
  }
}

interface ProcessStat {
  pid: number;
  parent: number;
  name: string;
  cpuMs: number;
  rssBytes: number;
  /** Start time, which tells a process from a later one with the same pid. */
  start: string;
}

const CLOCK_TICK_MS = 10;
const PAGE_BYTES = 4096;

/** Null when the process has ended, and on systems without /proc. */
function stat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const nameEnd = text.lastIndexOf(")");
    const fields = text.slice(nameEnd + 2).split(" ");
    return {
      pid,
      parent: Number(fields[1]),
      name: text.slice(text.indexOf("(") + 1, nameEnd),
      cpuMs: (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS,
      start: fields[19]!,
      rssBytes: Number(fields[21]) * PAGE_BYTES,
    };
  } catch {
    return null;
  }
}

function startOf(pid: number): string | null {
  return stat(pid)?.start ?? null;
}

/** A process and all its descendants. */
function tree(root: number): ProcessStat[] {
  let pids: number[];
  try {
    pids = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
  const all = pids.map(stat).filter((entry) => entry !== null);
  const found = all.filter((entry) => entry.pid === root);
  for (let i = 0; i < found.length; i += 1) {
    found.push(...all.filter((entry) => entry.parent === found[i]!.pid));
  }
  return found;
}

export interface TreeUsage {
  /** CPU of the process and its children, PostgreSQL left out. */
  cpuMs: number;
  postgresCpuMs: number;
  rssBytes: number;
  postgresRssBytes: number;
}

export function usageOfTree(child: ChildProcess): TreeUsage {
  const usage: TreeUsage = { cpuMs: 0, postgresCpuMs: 0, rssBytes: 0, postgresRssBytes: 0 };
  for (const entry of tree(child.pid!)) {
    if (entry.name.startsWith("postgres")) {
      usage.postgresCpuMs += entry.cpuMs;
      usage.postgresRssBytes += entry.rssBytes;
    } else {
      usage.cpuMs += entry.cpuMs;
      usage.rssBytes += entry.rssBytes;
    }
  }
  return usage;
}
