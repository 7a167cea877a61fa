import { execFile, spawn } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { readConfig } from "../../src/config.ts";

/** The release that the stored expectations were made with. */
const PACKAGE = "tokenizers==0.22.1";
/** Ends a pip that hangs. */
const INSTALL_LIMIT_MS = 120_000;

/** Gives a script an input as JSON and resolves with what it printed. */
export type RunPython = (script: string, input: unknown) => Promise<string>;

/** Python with the `tokenizers` library, installed into the cache; null where it can't be had. */
export async function pythonWithTokenizers(): Promise<RunPython | null> {
  const folder = join(readConfig().cacheDir, "python", PACKAGE.replace("==", "-"));
  try {
    await access(folder).catch(() => install(folder));
    const run: RunPython = (script, input) => runScript(folder, { script, input: JSON.stringify(input) });
    await promisify(execFile)("python3", ["-c", "import tokenizers"], { env: environment(folder) });
    return run;
  } catch {
    return null;
  }
}

async function install(folder: string): Promise<void> {
  const parent = join(folder, "..");
  await mkdir(parent, { recursive: true });
  const partial = await mkdtemp(join(parent, "installing-"));
  try {
    const options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", partial];
    await promisify(execFile)("python3", ["-m", "pip", "install", ...options, PACKAGE], {
      timeout: INSTALL_LIMIT_MS,
    });
    // Fails where another process has installed it meanwhile.
    await rename(partial, folder).catch(() => access(folder));
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

function runScript(folder: string, { script, input }: { script: string; input: string }): Promise<string> {
  const child = spawn("python3", [script], { env: environment(folder), stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(input);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${script} ended with code ${code}`));
    });
  });
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, PYTHONPATH: folder, PYTHONIOENCODING: "utf-8" };
}
