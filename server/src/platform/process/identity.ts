import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Names one process for good: its number alone is reused after a restart, most of all in containers, where a
 * process that comes back often gets the very number its dead predecessor had.
 */
export interface ProcessIdentity {
  /** Where `pid` counts: host, boot and process namespace. Numbers of two different places can't be compared. */
  place: string;
  pid: number;
  /** When the process started, in the system's own notation; only compared for equality. */
  startedAt: string;
}

export type ProcessState = "alive" | "dead" | "unknown";

let cachedPlace: string | null = null;

function currentPlace(): string {
  if (cachedPlace === null) {
    const boot = readOrEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    const namespace = readOrEmpty(() => readlinkSync("/proc/self/ns/pid"));
    cachedPlace = [hostname(), boot, namespace].join("/");
  }
  return cachedPlace;
}

function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** Null when there is no such process. Throws when that can't be told. */
function processStartTime(pid: number): string | null {
  if (process.platform !== "linux") {
    const ps = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8", timeout: 5_000 });
    if (ps.error !== undefined) throw ps.error;
    return ps.stdout.trim() || null;
  }
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(String((error as NodeJS.ErrnoException).code))) return null;
    throw error;
  }
  // The name in parentheses may hold anything, also spaces; after it come the state and, 20th, the start.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie is dead; it only waits for its parent to notice.
  return fields[0] === "Z" ? null : (fields[19] ?? null);
}

export function ownIdentity(): ProcessIdentity {
  return { place: currentPlace(), pid: process.pid, startedAt: processStartTime(process.pid) ?? "" };
}

/** `unknown` for a process of another host, container or boot, and for what the system doesn't tell. */
export function processState(identity: ProcessIdentity): ProcessState {
  if (identity.place !== currentPlace()) return "unknown";
  try {
    return processStartTime(identity.pid) === identity.startedAt ? "alive" : "dead";
  } catch {
    return "unknown";
  }
}

export function formatIdentity(identity: ProcessIdentity): string {
  return `${JSON.stringify(identity)}\n`;
}

/** Null for anything that is not a whole identity: a file cut short by a crash, or absent text. */
export function parseIdentity(text: string): ProcessIdentity | null {
  try {
    const { place, pid, startedAt } = JSON.parse(text) as Record<string, unknown>;
    if (typeof place !== "string" || !Number.isInteger(pid) || typeof startedAt !== "string") return null;
    return { place, pid: pid as number, startedAt };
  } catch {
    return null;
  }
}
