// Set-up shared by the npm scripts. Uses nothing but Node: it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
export const rootDir = fileURLToPath(root);
const at = (path) => fileURLToPath(new URL(path, root));

/**
 * Installs the dependencies when they are missing or older than the lock file.
 * @param {{ dev: boolean }} need dev: the tools for tests and benchmarks too.
 */
export function ensureInstalled({ dev }) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Hearth needs Node 20.19 or later; this is ${process.versions.node}.`);
    process.exit(1);
  }
  // Keep the development tools of a checkout that has them, also when `dev` is false.
  const hasTools = existsSync(at("node_modules/vitest"));
  const marker = at("node_modules/.package-lock.json");
  const fresh = existsSync(marker) && statSync(marker).mtimeMs >= statSync(at("package-lock.json")).mtimeMs;
  if (fresh && (!dev || hasTools)) return;
  console.log("Installing dependencies (CPU build; once) …");
  // Not `npm ci`: it refuses a lock file without the prebuilts of other platforms, which not every registry mirror has.
  const args = [
    "install",
    "--no-save",
    "--no-fund",
    "--no-audit",
    ...(dev || hasTools ? [] : ["--omit=dev"]),
  ];
  const result = spawnSync("npm", args, {
    cwd: rootDir,
    stdio: "inherit",
    // The engine comes prebuilt in its package: never compile, never fetch sources.
    env: { ...process.env, NODE_LLAMA_CPP_SKIP_DOWNLOAD: "true" },
  });
  if (result.status !== 0) {
    console.error("Installing the dependencies failed; npm's message is above.");
    process.exit(result.status ?? 1);
  }
}

/** Runs a TypeScript module in this process. */
export async function runTypeScript(path) {
  const { register } = await import("tsx/esm/api");
  register();
  await import(new URL(path, root).href);
}
