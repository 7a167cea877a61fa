#!/usr/bin/env node
// The program is one file, dist/firectl.mjs. In the repository that is made anew whenever the sources are newer.
import { existsSync, readdirSync, statSync } from "node:fs";

const program = new URL("../dist/firectl.mjs", import.meta.url);
const sources = ["../src/", "../package.json", "../../sdk/src/"].map(
  (path) => new URL(path, import.meta.url),
);

if (existsSync(sources[0]) && isOlder()) {
  const { build } = await import("../scripts/build.mjs");
  await build();
}
await import(program.href);

function isOlder() {
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
