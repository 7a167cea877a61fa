/** Lists the processes of this machine, to find those that were left behind. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Process {
  pid: number;
  parentPid: number;
  /** Start time. Pid and start time together identify a process: pids are reused. */
  started: string;
  command: string;
}

/** Every running process; zombies count as ended. */
function all(): Process[] {
  return process.platform === "linux" ? fromProc() : fromPs();
}

function fromProc(): Process[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [state, parentPid, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return [];
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return [{ pid: Number(name), parentPid: Number(parentPid), started: rest[17] as string, command }];
    } catch {
      // The process ended after the folder was listed.
      return [];
    }
  });
}

function fromPs(): Process[] {
  const text = execFileSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,lstart=,command="], {
    encoding: "utf8",
  });
  return text.split("\n").flatMap((line) => {
    const found = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line);
    if (found === null || found[3]?.startsWith("Z")) return [];
    const [, pid, parentPid, , started, command] = found as unknown as string[];
    return [
      {
        pid: Number(pid),
        parentPid: Number(parentPid),
        started: started as string,
        command: command as string,
      },
    ];
  });
}

/** All direct and indirect child processes. */
export function descendants(pid: number): Process[] {
  const others = all();
  const found: Process[] = [];
  for (let parents = [pid]; parents.length > 0; ) {
    const children = others.filter((one) => parents.includes(one.parentPid));
    found.push(...children);
    parents = children.map((one) => one.pid);
  }
  return found;
}

/** The subset of the processes that are still running. */
export function alive(processes: readonly Process[]): Process[] {
  const now = all();
  return processes.filter((one) =>
    now.some((other) => other.pid === one.pid && other.started === one.started),
  );
}
