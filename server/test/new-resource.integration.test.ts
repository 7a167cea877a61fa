import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COPIED = [
  ".gitignore",
  "biome.json",
  "package.json",
  "package-lock.json",
  "tsconfig.base.json",
  "vitest.config.ts",
  "scripts",
  "server/drizzle.config.ts",
  "server/migrations",
  "server/package.json",
  "server/src",
  "server/test/harness",
  "server/test/migrations.integration.test.ts",
];

/** The type check and the tests of the copy start from nothing. */
const TIMEOUT_MS = 240_000;

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "hearth-new-resource-"));
  for (const path of COPIED) {
    // With newer times the copy would install its dependencies anew.
    cpSync(join(ROOT, path), join(copy, path), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  expectSuccess("node", ["scripts/new-resource.mjs", "fine-tuning-job"]);
}, TIMEOUT_MS);
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** The copy migrates a template database of its own: this run's template lacks the new resource's table. */
function run(command: string, args: string[]) {
  const { HEARTH_TEST_TEMPLATE_DATABASE: _, ...env } = process.env;
  return spawnSync(command, args, { cwd: copy, encoding: "utf8", env });
}

function expectSuccess(command: string, args: string[]): void {
  const { status, stdout, stderr } = run(command, args);
  expect(status, `${command} ${args.join(" ")}\n${stdout}${stderr}`).toBe(0);
}

describe("npm run new:resource NAME", () => {
  it("adds a folder, a migration and one line to the composition", () => {
    expect(existsSync(join(copy, "server/src/control/fine-tuning-jobs/routes.ts"))).toBe(true);
    const journal = JSON.parse(readFileSync(join(copy, "server/migrations/meta/_journal.json"), "utf8"));
    const [previous, last] = journal.entries.slice(-2);
    expect(last.tag).toMatch(/^\d{4}_fine_tuning_jobs$/);
    expect(last.when).toBeGreaterThan(previous.when);
    const composition = readFileSync(join(copy, "server/src/composition/control.ts"), "utf8");
    expect(composition.match(/createFineTuningJobs\(/g)).toHaveLength(1);
  });

  it("leaves nothing of the template's name", () => {
    const found = run("grep", ["-rliE", "sample.?note", "server/src", "server/migrations"]);
    expect(found.stdout).toBe("");
  });

  it(
    "makes code that the linter and the type check accept",
    () => {
      expectSuccess("node_modules/.bin/biome", [
        "ci",
        "server/src/control/fine-tuning-jobs",
        "server/src/composition",
      ]);
      const include = ["server/src/control/fine-tuning-jobs", "server/src/composition/control.ts"];
      writeFileSync(
        join(copy, "tsconfig.json"),
        JSON.stringify({ extends: "./tsconfig.base.json", include }),
      );
      expectSuccess("node_modules/.bin/tsc", ["--noEmit", "-p", "tsconfig.json"]);
    },
    TIMEOUT_MS,
  );

  it(
    "makes a resource that passes its own tests, and a migration that makes its table",
    () => {
      expectSuccess("node_modules/.bin/vitest", [
        "run",
        "server/src/control/fine-tuning-jobs",
        "server/test/migrations.integration.test.ts",
      ]);
    },
    TIMEOUT_MS,
  );

  it("refuses a name that is taken or no name", () => {
    for (const [name, message] of [
      ["fine-tuning-job", "exists already"],
      ["FineTuningJob", "Usage"],
    ] as const) {
      const refused = run("node", ["scripts/new-resource.mjs", name]);
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain(message);
    }
  });
});
