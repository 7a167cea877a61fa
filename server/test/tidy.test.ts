import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const src = join(root, "server/src");

const DOMAINS = ["inference", "control", "training", "fleet", "metering"];

/** What the files of a layer may import besides their own folder. `main.ts` and `composition` may import everything. */
const ARROWS: Record<string, readonly string[]> = {
  lib: [],
  platform: ["lib"],
  engine: ["lib"],
  "structured-output": ["platform", "lib"],
  engines: ["engine", "structured-output", "lib"],
  fleet: ["engine", "platform", "model-files", "lib"],
  metering: ["engine", "platform", "lib"],
  "model-files": ["lib"],
  inference: [...DOMAINS, "orchestration", "engine", "structured-output", "platform", "model-files", "lib"],
  orchestration: ["control", "fleet", "metering", "platform", "lib"],
  control: [...DOMAINS, "engine", "platform", "model-files", "lib"],
  training: [...DOMAINS, "engine", "platform", "model-files", "lib"],
};
/** Layers whose folders are domains: one uses another through its `service.ts` alone. */
const DOMAIN_LAYERS = new Set([...DOMAINS, "orchestration"]);

interface SourceFile {
  /** Path below server/src, or below packages. */
  path: string;
  text: string;
}

/** @param base what their paths are below; default: the folder itself */
function sourceFiles(folder: string, base = folder): SourceFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(base, file), text: readFileSync(file, "utf8") }));
}

/** The import statements that break a rule. The rules are tested too: a check that finds nothing proves nothing. */
function findWrongArrows(files: readonly SourceFile[]): string[] {
  const wrong: string[] = [];
  for (const { path, text } of files) {
    const layer = layerOf(path);
    if (layer === null) continue;
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const target = relative(src, resolve(src, dirname(path), specifier as string));
      const problem = judge(path, layer, target);
      if (problem !== null) wrong.push(`${path} → ${target}: ${problem}`);
    }
  }
  return wrong;
}

/** Tests and what only they use: fixtures, fakes of a server, helpers. */
function isForTests(path: string): boolean {
  return /(\.test|(^|\/)(testing|contract|fake-[^/]*|fixture-[^/]*|[^/]*-fixture))\.ts$/.test(path);
}

function layerOf(path: string): string | null {
  const [first, second] = path.split("/");
  return second === undefined ? null : (first as string);
}

function judge(path: string, layer: string, target: string): string | null {
  if (layer === "composition") return null;
  const targetLayer = layerOf(target);
  if (targetLayer === null) return "only main.ts and composition may import the files of the root";
  if (ARROWS[layer] === undefined) return `there is no layer ${layer}`;
  if (layer !== targetLayer && !ARROWS[layer].includes(targetLayer))
    return `${layer} may not import ${targetLayer}`;
  if (
    layer === "engines" &&
    targetLayer === "engines" &&
    path !== "engines/registry.ts" &&
    domainOf(path) !== domainOf(target)
  ) {
    return "adapters don't know each other";
  }
  if (layer === "structured-output" && targetLayer === "platform" && !target.startsWith("platform/process/"))
    return "of platform, structured-output may import process alone";
  const crossesDomain = DOMAIN_LAYERS.has(targetLayer) && domainOf(path) !== domainOf(target);
  // Endpoints are made from inference/pipeline and inference/text, which are no domains of their own.
  if (crossesDomain && !target.endsWith("service.ts") && !/^inference\/(pipeline|text)\//.test(target)) {
    return "a domain is used through its service.ts alone";
  }
  return null;
}

function domainOf(path: string): string {
  const [layer, name] = path.split("/");
  return layer === "fleet" || layer === "orchestration" ? layer : `${layer}/${name}`;
}

describe("the tree is tidy", () => {
  const files = sourceFiles(src);

  test("imports follow the arrows", () => {
    expect(files.length).toBeGreaterThan(20);
    expect(findWrongArrows(files.filter((file) => !isForTests(file.path)))).toEqual([]);
  });

  test("a wrong arrow is found", () => {
    const wrong = findWrongArrows([
      { path: "lib/a.ts", text: 'import { x } from "../platform/http/server.ts";' },
      { path: "engines/vllm/a.ts", text: 'import { x } from "../llama-cpp/client.ts";' },
      { path: "engine/a.ts", text: 'const x = await import("../fleet/service.ts");' },
      { path: "inference/chat/a.ts", text: 'import type { x } from "../../control/models/store.ts";' },
      { path: "control/models/a.ts", text: 'import { readConfig } from "../../config.ts";' },
      { path: "structured-output/a.ts", text: 'import { x } from "../platform/http/server.ts";' },
      { path: "control/models/a.ts", text: 'import { x } from "../../composition/lifecycle.ts";' },
    ]);
    expect(wrong).toHaveLength(7);
  });

  test("server/src keeps main.ts and config.ts; all other files are in a layer", () => {
    const root = files.filter(({ path }) => layerOf(path) === null).map(({ path }) => path);
    expect(root.sort()).toEqual(["config.test.ts", "config.ts", "main.ts"]);
  });

  test("the environment is read in config.ts alone", () => {
    const readers = files.filter((file) => /process\s*(\.\s*env\b|\[\s*["']env)/.test(file.text));
    const allowed = (path: string): boolean => path === "config.ts" || isForTests(path);
    expect(readers.map((file) => file.path).filter((path) => !allowed(path))).toEqual([]);
  });

  test("time is read in lib/clock.ts alone", () => {
    const readers = files.filter((file) => /\bDate\.now\(|\bnew Date\(\)/.test(file.text));
    expect(readers.map((f) => f.path).filter((path) => path !== "lib/clock.ts" && !isForTests(path))).toEqual(
      [],
    );
  });

  test("SQL stays in stores, tables and platform/db; HTTP in routes and platform/http", () => {
    const outside = (pattern: RegExp, home: RegExp): string[] =>
      files
        .filter((f) => pattern.test(f.text) && !home.test(f.path) && !isForTests(f.path))
        .map((f) => f.path);
    expect(outside(/from "(postgres|drizzle-orm[^"]*)"/, /(^platform\/db\/|store\.ts$|table\.ts$)/)).toEqual(
      [],
    );
    expect(outside(/from "(fastify|node:http)"/, /(^platform\/http\/|routes\.ts$)/)).toEqual([]);
  });

  test("no folder is called shared, common or utils", () => {
    expect(files.filter((f) => /(^|\/)(shared|common|utils)\//.test(f.path)).map((f) => f.path)).toEqual([]);
  });

  test("the linter is content", () => {
    const biome = spawnSync("node_modules/.bin/biome", ["ci", "--colors=off", "."], {
      cwd: root,
      encoding: "utf8",
    });
    expect(biome.stderr + biome.stdout).not.toMatch(/lint\/|format /);
    expect(biome.status).toBe(0);
  });

  test("the types agree", () => {
    const tsc = spawnSync("node_modules/.bin/tsc", ["--noEmit", "-p", "tsconfig.json"], {
      cwd: root,
      encoding: "utf8",
    });
    expect(tsc.stdout).toBe("");
    expect(tsc.status).toBe(0);
  }, 300_000);
});

/** What files of the published packages may import; the first rule for a path counts. */
const PACKAGE_ARROWS: readonly (readonly [files: RegExp, may: RegExp])[] = [
  [/^cli\/src\//, /^(cli\/(src\/|package\.json$)|node:|@hearth\/sdk(\/node)?$)/],
  [/^sdk\/src\/node\//, /^(sdk\/src\/|node:)/],
  // It runs in browsers.
  [/^sdk\/src\//, /^sdk\/src\/(?!node\/)/],
];

const IMPORT = /(?:^(?:import|export)\b[^"';]*\sfrom|^import|\bimport\()\s*"([^"\n]+)"/gm;

/** Imports that break a rule, and reading the environment where that has no place. */
function findWrongInPackages(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const may = PACKAGE_ARROWS.find(([which]) => which.test(path))?.[1];
    const wrong = [...text.matchAll(IMPORT)]
      .map(([, name = ""]) => (name.startsWith(".") ? join(dirname(path), name) : name))
      .filter((target) => may?.test(target) !== true)
      .map((target) => `${path} → ${target}`);
    const readsEnv = /process\s*\.\s*env\b/.test(text) && path !== "cli/src/world.ts";
    return readsEnv ? [...wrong, `${path}: process.env`] : wrong;
  });
}

describe("the packages are tidy", () => {
  const folder = join(root, "packages");
  const files = ["cli/src", "sdk/src"]
    .flatMap((part) => sourceFiles(join(folder, part), folder))
    .filter(({ path }) => !isForTests(path) && !path.startsWith("sdk/src/generated/"));

  test("firectl uses the SDK's entries and Node, the SDK's core neither, and only world.ts the environment", () => {
    expect(files.length).toBeGreaterThan(50);
    expect(findWrongInPackages(files)).toEqual([]);
  });

  test("a wrong import is found", () => {
    const wrong = findWrongInPackages([
      { path: "cli/src/a.ts", text: 'import { x } from "../../sdk/src/client/client.ts";' },
      { path: "cli/src/commands/b.ts", text: 'const x = await import("../../../../server/src/main.ts");' },
      { path: "cli/src/c.ts", text: 'import x from "commander";' },
      { path: "sdk/src/client/d.ts", text: 'import { open } from "node:fs/promises";' },
      { path: "sdk/src/client/e.ts", text: 'export { x } from "../node/files.ts";' },
      { path: "sdk/src/node/f.ts", text: "const home = process.env.HOME;" },
    ]);
    expect(wrong).toHaveLength(6);
  });

  test("no folder is called shared, common or utils", () => {
    expect(files.filter(({ path }) => /(^|\/)(shared|common|utils)\//.test(path))).toEqual([]);
  });
});
