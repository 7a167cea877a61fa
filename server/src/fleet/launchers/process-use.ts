import { readdirSync, readFileSync } from "node:fs";

/** Resources that processes have used since their start. */
export interface ProcessUse {
  cpuMs: number;
  /** Pages that had to be read from disk, as on a machine short of memory. */
  majorFaults: number;
}

/** Length of a clock tick in `/proc`; the same on every Linux that Node supports. */
const TICK_MS = 10;

/** Use of a process and of the members of its process group; null where the system doesn't tell. */
export function readProcessUse(pid: number): ProcessUse | null {
  let found = false;
  const use: ProcessUse = { cpuMs: 0, majorFaults: 0 };
  for (const entry of processIds()) {
    const fields = statFields(entry);
    // Numbers of the fields after the name, as in proc(5) less three: process group, major faults, user and system time.
    if (fields === null || (entry !== String(pid) && fields[2] !== String(pid))) continue;
    found = true;
    use.majorFaults += Number(fields[9]);
    use.cpuMs += (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }
  return found ? use : null;
}

function processIds(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** The fields after the program's name, which may hold blanks and parentheses; null: the process has gone. */
function statFields(pid: string): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
