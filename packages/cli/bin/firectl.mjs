#!/usr/bin/env node
// Starts dist/firectl.mjs. In the repository it first rebuilds that file if a source file is newer.
import { existsSync, readdirSync, statSync } from "node:fs";

const program = new URL("../dist/firectl.mjs", import.meta.url);
const sources = ["../src/", "../package.json", "../../sdk/src/"].map(
  (path) => new URL(path, import.meta.url),
);

if (existsSync(sources[0]) && isStale()) {
  const { build } = await import("../scripts/build.mjs");
  await build();
}
await import(program.href);

function isStale() {
  const builtMs = existsSync(program) ? statSync(program).mtimeMs : 0;
  return sources.some((url) => newestMs(url) > builtMs);
}

function newestMs(url) {
  const found = statSync(url);
  if (!found.isDirectory()) return found.mtimeMs;
  const inner = readdirSync(url, { withFileTypes: true })
    .filter((entry) => !entry.name.endsWith(".test.ts"))
    .map((entry) => newestMs(new URL(entry.isDirectory() ? `${entry.name}/` : entry.name, url)));
  return Math.max(found.mtimeMs, ...inner);
}
