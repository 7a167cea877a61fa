import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface SourceFile {
  /** Path below the folder that the rule is about, with forward slashes. */
  path: string;
  text: string;
}

/** @param base the folder that the paths are relative to; default: the folder itself */
function sourceFiles(folder: string, base = folder): SourceFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/\/(node_modules|dist|generated)\//.test(file))
    .map((file) => ({ path: relative(base, file), text: readFileSync(file, "utf8") }));
}

const IMPORT = /(?:^(?:import|export)\b[^"';]*\sfrom|^import|\bimport\()\s*"([^"\n]+)"/gm;

/** The imports of a file, also of types and by `import("…")`: relative ones as paths like the file's own, others as written. */
function importsOf({ path, text }: SourceFile): string[] {
  return [...text.matchAll(IMPORT)].map(([, specifier = ""]) =>
    specifier.startsWith(".") ? join(dirname(path), specifier) : specifier,
  );
}

/** Tests and the files that only tests use: fixtures, fakes, suites and helpers. */
function isForTests(path: string): boolean {
  return /((\.|^|\/)test|\.fixture|(^|\/)(testing|contract|fake-[^/]*|fixture-[^/]*|[^/]*-(fixture|contract)))\.ts$/.test(
    path,
  );
}

// ---- layers ----

const DOMAINS = ["inference", "control", "training", "fleet", "metering"];

/** The folders that the files of a layer may import, besides their own. Files of `composition` may import everything. */
const ARROWS: Record<string, readonly string[]> = {
  lib: [],
  platform: ["lib"],
  engine: ["lib"],
  "structured-output": ["platform", "lib"],
  tokenization: ["lib"],
  engines: ["engine", "structured-output", "tokenization", "lib"],
  fleet: ["engine", "platform", "model-files", "lib"],
  metering: ["engine", "platform", "lib"],
  "model-files": ["tokenization", "lib"],
  inference: [...DOMAINS, "orchestration", "engine", "structured-output", "platform", "model-files", "lib"],
  orchestration: ["control", "fleet", "metering", "platform", "engine", "lib"],
  control: [...DOMAINS, "engine", "platform", "model-files", "lib"],
  training: [...DOMAINS, "engine", "platform", "model-files", "lib"],
};
/** Layers whose folders are domains: one uses another through its `service.ts` or `types.ts`. */
const DOMAIN_LAYERS = new Set([...DOMAINS, "orchestration"]);
/** Folders of `inference` that the endpoints share; they are no domains of their own. */
const SHARED_BY_ENDPOINTS = /^inference\/(text|pipeline)\//;

/** Null for the files above the layers: `main.ts`, `config.ts`. */
function layerOf(path: string): string | null {
  const [first, second] = path.split("/");
  return second === undefined ? null : (first as string);
}

function domainOf(path: string): string {
  const [layer, name] = path.split("/");
  return layer === "fleet" || layer === "orchestration" ? layer : `${layer}/${name}`;
}

/** Imports of files below server/src that go against the arrows, each with the rule it breaks. */
function findWrongArrows(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((target) => {
      const problem = target.endsWith(".ts") ? arrowProblem(file.path, target) : null;
      return problem === null ? [] : [`${file.path} → ${target}: ${problem}`];
    }),
  );
}

function arrowProblem(path: string, target: string): string | null {
  const layer = layerOf(path);
  const targetLayer = layerOf(target);
  if (layer === null || layer === "composition") return null;
  if (targetLayer === "composition") return "only main.ts, tests and benchmarks use composition";
  if (targetLayer === null) return "only composition and main.ts use the files above the layers";
  const arrows = ARROWS[layer];
  if (arrows === undefined) return `there is no layer ${layer}`;
  if (layer !== targetLayer && !arrows.includes(targetLayer)) return `${layer} may not import ${targetLayer}`;
  if (
    layer === "structured-output" &&
    targetLayer === "platform" &&
    !target.startsWith("platform/process/")
  ) {
    return "structured-output may import nothing of platform but platform/process";
  }
  if (domainOf(path) === domainOf(target)) return null;
  if (layer === "engines" && targetLayer === "engines" && path !== "engines/registry.ts")
    return "an engine's adapter does not know the others";
  if (!DOMAIN_LAYERS.has(targetLayer) || SHARED_BY_ENDPOINTS.test(target)) return null;
  if (/(^|\/)(service|types)\.ts$/.test(target)) return null;
  return "a domain uses another through its service.ts or types.ts";
}

// ---- import cycles ----

/** Groups of files that import each other, directly or through others (Tarjan's strongly connected components). */
function findCycles(files: readonly SourceFile[]): string[][] {
  const paths = new Set(files.map(({ path }) => path));
  const imports = new Map(files.map((file) => [file.path, importsOf(file).filter((to) => paths.has(to))]));
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];

  function visit(path: string): void {
    order.set(path, order.size);
    lowest.set(path, order.get(path)!);
    stack.push(path);
    for (const target of imports.get(path)!) {
      if (!order.has(target)) {
        visit(target);
        lowest.set(path, Math.min(lowest.get(path)!, lowest.get(target)!));
      } else if (stack.includes(target)) {
        lowest.set(path, Math.min(lowest.get(path)!, order.get(target)!));
      }
    }
    if (lowest.get(path) !== order.get(path)) return;
    const component = stack.splice(stack.indexOf(path));
    if (component.length > 1 || imports.get(path)!.includes(path)) cycles.push(component.sort());
  }

  for (const path of paths) if (!order.has(path)) visit(path);
  return cycles;
}

// ---- spreads of literals ----

/** Places, as file and line, where an object or array literal is spread into another one or into a call. */
function findLiteralSpreads(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(/\.\.\.\(?([[{])/g)].flatMap((match) => {
      const end = closingBracket(text, match.index + match[0].length - 1);
      // A literal that only begins an expression, as in `...[1, 2].map(f)`, is followed by something else.
      const isLiteral = /^(\s+as const)?\s*[,)\]}]/.test(text.slice(end + 1));
      return isLiteral ? [`${path}:${text.slice(0, match.index).split("\n").length}`] : [];
    }),
  );
}

/** The index of the bracket that closes the one at `start`; brackets within strings are skipped. */
function closingBracket(text: string, start: number): number {
  let depth = 0;
  let quote: string | null = null;
  for (let i = start; i < text.length; i += 1) {
    const char = text[i]!;
    if (quote !== null) {
      if (char === "\\") i += 1;
      else if (char === quote) quote = null;
    } else if ("\"'`".includes(char)) quote = char;
    else if ("([{".includes(char)) depth += 1;
    else if (")]}".includes(char)) {
      depth -= 1;
      if (depth === 0) return i;
    }
  }
  return text.length;
}

describe("the server's sources", () => {
  const files = sourceFiles(join(root, "server/src"));
  const production = files.filter(({ path }) => !isForTests(path));
  const pathsWith = (pattern: RegExp): string[] =>
    production.filter(({ text }) => pattern.test(text)).map(({ path }) => path);

  test("import along the arrows only", () => {
    expect(files.length).toBeGreaterThan(20);
    expect(findWrongArrows(production)).toEqual([]);
  });

  test.each([
    ["lib/a.ts", "../platform/http/server.ts"],
    ["engines/vllm/a.ts", "../llama-cpp/client.ts"],
    ["engines/vllm/a.ts", "../../platform/db/database.ts"],
    ["structured-output/a.ts", "../engine/port.ts"],
    ["structured-output/a.ts", "../platform/http/server.ts"],
    ["orchestration/a.ts", "../inference/service.ts"],
    ["orchestration/a.ts", "../control/models/store.ts"],
    ["control/models/a.ts", "../../config.ts"],
    ["control/models/a.ts", "../keys/create.ts"],
    ["fleet/a.ts", "../composition/app.ts"],
    ["unheard-of/a.ts", "../lib/clock.ts"],
  ])("have a wrong arrow found: %s → %s", (path, target) => {
    for (const text of [
      `import { x } from "${target}";`,
      `import type { x } from "${target}";`,
      `export {\n  x,\n} from "${target}";`,
      `const x = await import("${target}");`,
    ]) {
      expect(findWrongArrows([{ path, text }])).toHaveLength(1);
    }
  });

  test.each([
    ["composition/app.ts", "../config.ts"],
    ["composition/app.ts", "../control/models/store.ts"],
    ["main.ts", "./composition/app.ts"],
    ["control/models/a.ts", "../keys/types.ts"],
    ["inference/chat/a.ts", "../pipeline/endpoint.ts"],
    ["engines/vllm/a.ts", "../../structured-output/gbnf/grammar.ts"],
    ["structured-output/a.ts", "../platform/process/job-process.ts"],
  ])("have a right arrow accepted: %s → %s", (path, target) => {
    expect(findWrongArrows([{ path, text: `import { x } from "${target}";` }])).toEqual([]);
  });

  test("import each other in no cycle", () => {
    expect(findCycles(files)).toEqual([]);
  });

  test("read the environment in config.ts alone", () => {
    expect(pathsWith(/process\s*(\.\s*env\b|\[\s*["']env)/).filter((path) => path !== "config.ts")).toEqual(
      [],
    );
  });

  test("read the time in lib/clock.ts alone", () => {
    expect(pathsWith(/\bDate\.now\(|\bnew Date\(\)/).filter((path) => path !== "lib/clock.ts")).toEqual([]);
  });

  test("hold SQL in stores, tables and platform/db alone", () => {
    const allowed = /(^platform\/db\/|store\.ts$|table\.ts$)/;
    const found = pathsWith(/from "(postgres|drizzle-orm[^"]*)"/);
    expect(found.filter((path) => !allowed.test(path))).toEqual([]);
  });

  test("hold HTTP in routes and platform/http alone", () => {
    const allowed = /(^platform\/http\/|routes\.ts$)/;
    const found = pathsWith(/from "(fastify|node:http)"/);
    expect(found.filter((path) => !allowed.test(path))).toEqual([]);
  });
});

/** The imports that files of the published packages may have; the first rule whose pattern matches a path counts. */
const PACKAGE_ARROWS: readonly (readonly [files: RegExp, allowed: RegExp])[] = [
  [/^cli\/src\//, /^(cli\/(src\/|package\.json$)|node:|@hearth\/sdk(\/node)?$)/],
  [/^sdk\/src\/node\//, /^(sdk\/src\/|node:)/],
  // The SDK's core runs in browsers, where nothing of Node exists.
  [/^sdk\/src\//, /^sdk\/src\/(?!node\/)/],
];

/** Imports that break a rule, and reads of the environment outside the package's one file for them. */
function findWrongInPackages(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const allowed = PACKAGE_ARROWS.find(([pattern]) => pattern.test(file.path))?.[1];
    const wrong = importsOf(file)
      .filter((target) => allowed?.test(target) !== true)
      .map((target) => `${file.path} → ${target}`);
    const readsEnv = /process\s*\.\s*env\b/.test(file.text) && file.path !== "cli/src/process-context.ts";
    return readsEnv ? [...wrong, `${file.path}: process.env`] : wrong;
  });
}

describe("the packages' sources", () => {
  const folder = join(root, "packages");
  const files = ["cli/src", "sdk/src"].flatMap((part) => sourceFiles(join(folder, part), folder));
  const production = files.filter(({ path }) => !isForTests(path));

  test("use the SDK's entries and Node in firectl, neither in the SDK's core, and the environment in process-context.ts alone", () => {
    expect(production.length).toBeGreaterThan(50);
    expect(findWrongInPackages(production)).toEqual([]);
  });

  test.each([
    ["cli/src/a.ts", 'import { x } from "../../sdk/src/client/client.ts";'],
    ["cli/src/commands/b.ts", 'const x = await import("../../../../server/src/main.ts");'],
    ["cli/src/c.ts", 'import x from "commander";'],
    ["sdk/src/client/d.ts", 'import { open } from "node:fs/promises";'],
    ["sdk/src/client/e.ts", 'export { x } from "../node/files.ts";'],
    ["sdk/src/node/f.ts", "const home = process.env.HOME;"],
  ])("have a wrong import found: %s with %s", (path, text) => {
    expect(findWrongInPackages([{ path, text }])).toHaveLength(1);
  });

  test("import each other in no cycle", () => {
    expect(findCycles(files)).toEqual([]);
  });
});

describe("all code, tests and benchmarks included,", () => {
  const files = ["server/src", "server/test", "server/bench", "packages"].flatMap((folder) =>
    sourceFiles(join(root, folder), root),
  );

  test("lies in no folder called shared, common or utils", () => {
    const paths = files.map(({ path }) => path);
    expect(paths.length).toBeGreaterThan(300);
    expect(paths.filter((path) => /(^|\/)(shared|common|utils)\//.test(path))).toEqual([]);
  });

  test("spreads no literals", () => {
    expect(findLiteralSpreads(files)).toEqual([]);
  });
});

describe("the search for cycles", () => {
  const importing = (path: string, ...targets: string[]): SourceFile => ({
    path,
    text: targets.map((target) => `import type { x } from "./${target}";`).join("\n"),
  });

  test("finds a file that imports itself, two that import each other, and a ring of three", () => {
    const files = [
      importing("self.ts", "self.ts", "one.ts"),
      importing("one.ts", "two.ts"),
      importing("two.ts", "one.ts", "first.ts"),
      importing("first.ts", "second.ts"),
      importing("second.ts", "third.ts"),
      importing("third.ts", "first.ts", "leaf.ts"),
      importing("leaf.ts"),
    ];
    expect(findCycles(files).sort()).toEqual([
      ["first.ts", "second.ts", "third.ts"],
      ["one.ts", "two.ts"],
      ["self.ts"],
    ]);
  });

  test("finds nothing where several ways lead to one file", () => {
    const files = [importing("top.ts", "left.ts", "right.ts"), importing("left.ts", "leaf.ts")];
    expect(findCycles([...files, importing("right.ts", "leaf.ts"), importing("leaf.ts")])).toEqual([]);
  });
});

describe("the search for spread literals", () => {
  // Put together from pieces, so that the search does not find its own examples.
  const spread = (literal: string): string => ["..", `.${literal}`].join("");
  const found = (text: string): string[] => findLiteralSpreads([{ path: "a.ts", text }]);

  test.each([
    `const a = { ${spread('{ b: 1, c: "}" }')}, d };`,
    `const a = [${spread("[1, [2]]")}];`,
    `f(x, ${spread("[1, 2]")});`,
    `f(${spread('(["a"] as const)')});`,
    `const a = {\n  ${spread("{\n    b: [`c`],\n  }")},\n};`,
  ])("finds %s", (text) => {
    expect(found(text)).toHaveLength(1);
  });

  test.each([
    "const a = { ...b, ...(c === undefined ? {} : { c }) };",
    "const a = [...b, ...c.map((d) => [d, {}])];",
    `const a = [${spread('["b", "c"]')}.map(f)];`,
  ])("leaves %s alone", (text) => {
    expect(found(text)).toEqual([]);
  });
});
