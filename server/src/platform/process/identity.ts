import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Identifies one run of a process. A process number alone does not, because numbers are reused: in a restarted
 * container a process often gets the number of its predecessor.
 */
export interface ProcessIdentity {
  /** Host, boot and process namespace of `pid`. Numbers of different places can't be compared. */
  place: string;
  pid: number;
  /** Start time of the process in the system's notation; only compared for equality. */
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

/** Null: there is no such process. @throws when the system doesn't tell. */
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
  // The name in parentheses may contain spaces. The first field after it is the state, the 20th the start time.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie counts as dead.
  return fields[0] === "Z" ? null : (fields[19] ?? null);
}

export function ownIdentity(): ProcessIdentity {
  return { place: currentPlace(), pid: process.pid, startedAt: processStartTime(process.pid) ?? "" };
}

/** `unknown`: the process is of another host, container or boot, or the system doesn't tell. */
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

/** Null: the text is not a complete identity, for example because a crash truncated the file. */
export function parseIdentity(text: string): ProcessIdentity | null {
  try {
    const { place, pid, startedAt } = JSON.parse(text) as Record<string, unknown>;
    if (typeof place !== "string" || !Number.isInteger(pid) || typeof startedAt !== "string") return null;
    return { place, pid: pid as number, startedAt };
  } catch {
    return null;
  }
}
