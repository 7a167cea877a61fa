/** Runs programs to their end. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ROOT } from "../processes.ts";

const PROGRAM = fileURLToPath(new URL("packages/cli/bin/firectl.mjs", ROOT));
/** A module that writes the peak memory of its process to descriptor 3 at exit, in kilobytes. */
const REPORT_MEMORY = `data:text/javascript,import { writeSync } from "node:fs";
process.on("exit", () => writeSync(3, String(process.resourceUsage().maxRSS)));`;

export interface Ended {
  code: number | null;
  stderr: string;
  durationMs: number;
  /** Peak memory; 0 for programs other than node. */
  rssBytes: number;
}

/** @param home firectl's home folder */
export function firectl(
  args: readonly string[],
  home: string,
  env: Record<string, string> = {},
): Promise<Ended> {
  return runToEnd(process.execPath, ["--import", REPORT_MEMORY, PROGRAM, ...args], {
    PATH: process.env["PATH"] ?? "",
    HOME: home,
    ...env,
  });
}

export function runToEnd(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe", "pipe"] });
    let stderr = "";
    let memory = "";
    child.stderr?.on("data", (data) => {
      stderr += data;
    });
    child.stdio[3]?.on("data", (data) => {
      memory += data;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const durationMs = performance.now() - startMs;
      resolve({ code, stderr, durationMs, rssBytes: Number(memory) * 1024 });
    });
  });
}

export function requireSuccess({ code, stderr }: Ended): void {
  if (code !== 0) throw new Error(`a program ended with ${code}:\n${stderr}`);
}
