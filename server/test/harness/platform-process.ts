/** Runs the whole platform as a process, as a user does. Does not import the test runner: the global set-up uses this file too. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Ends the wait for a start that hangs; far above the time that a slow machine under load needs. */
const START_LIMIT_MS = 240_000;
/** The platform is killed when it has not ended this long after a Ctrl-C. */
const STOP_LIMIT_MS = 60_000;
const OUTPUT_LIMIT_CHARS = 200_000;

export interface PlatformOptions {
  dataDir: string;
  /** Null: the platform starts a PostgreSQL of its own in its data folder. */
  databaseUrl: string | null;
  /** Settings on top of the test's own. */
  env?: Record<string, string> | undefined;
}

export interface PlatformProcess {
  apiKey: string;
  pid: number;
  /** The last 200,000 characters that it printed. */
  output(): string;
  /** Resolves when the process has ended. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** `http://127.0.0.1:PORT/inference/v1`, as the banner prints it. Rejects, with the output, when there is no banner. */
  ready: Promise<string>;
  /** Ctrl-C: SIGINT to the whole process group. */
  interrupt(): void;
  /** Ctrl-C, then SIGKILL after a minute. Resolves with the exit code, also when the process has ended before. */
  stop(): Promise<number | null>;
  kill9(): Promise<void>;
}

const running = new Set<ChildProcess>();

function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
process.on("exit", killAll);
process.on("disconnect", killAll);

export function spawnPlatform(options: PlatformOptions): PlatformProcess {
  const apiKey = options.env?.["HEARTH_API_KEY"] ?? `fw_${randomBytes(24).toString("base64url")}`;
  const child = spawn(process.execPath, ["scripts/start.mjs"], {
    cwd: root,
    env: {
      ...environmentWithoutSettings(),
      HEARTH_PORT: "0",
      HEARTH_DATA_DIR: options.dataDir,
      HEARTH_API_KEY: apiKey,
      ...(options.databaseUrl === null ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, as in a terminal: Ctrl-C reaches all of it.
    detached: true,
  });
  running.add(child);
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding("utf8");
    pipe.on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_LIMIT_CHARS);
    });
  }
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const ready = banner(child, () => output);
  // The caller may stop the process before it asks whether the start succeeded.
  ready.catch(() => {});
  const interrupt = (): void => {
    if (running.has(child)) process.kill(-(child.pid as number), "SIGINT");
  };
  return {
    apiKey,
    pid: child.pid as number,
    output: () => output,
    exited,
    ready,
    interrupt,
    async stop() {
      interrupt();
      const limit = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
      const { code } = await exited;
      clearTimeout(limit);
      return code;
    },
    async kill9() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Settings of the person who runs the tests must not reach the platform. */
function environmentWithoutSettings(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(HEARTH_|DATABASE_URL$|VITEST|NODE_OPTIONS$|NODE_ENV$|TEST$)/.test(name)) delete env[name];
  }
  return env;
}

function banner(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`Hearth did not start: ${reason}. It printed:\n${output()}`));
    };
    const limit = setTimeout(() => fail(`no banner within ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    const onOutput = (): void => {
      const found = /Base URL\s+(http:\/\/127\.0\.0\.1:\d+\/inference\/v1)/.exec(output());
      if (found === null) return;
      settle();
      resolve(found[1] as string);
    };
    const onClose = (code: number | null): void => {
      settle();
      fail(`it ended with code ${code}`);
    };
    const settle = (): void => {
      clearTimeout(limit);
      child.stdout?.off("data", onOutput);
      child.off("close", onClose);
    };
    child.stdout?.on("data", onOutput);
    // "close" comes after "exit", when the last output has been read.
    child.on("close", onClose);
  });
}
