import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeTinyModel } from "../../../server/src/model-files/testing.ts";
import { type Hearth, startHearth } from "../../../server/test/harness/hearth.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const page = readFileSync(join(root, "docs/sdk.md"), "utf8");
const examples: { section: string; language: string; text: string }[] = [];
let heading = "Start";
for (const [, section, language = "", text = ""] of page.matchAll(/^## (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
  if (section !== undefined) heading = section;
  else examples.push({ section: heading, language, text });
}
const folder = mkdtempSync(join(tmpdir(), "sdk-docs-"));
const run = promisify(execFile);
let hearth: Hearth;

beforeAll(async () => {
  hearth = await startHearth();
  mkdirSync(join(folder, "node_modules/@hearth"), { recursive: true });
  symlinkSync(join(root, "packages/sdk"), join(folder, "node_modules/@hearth/sdk"));
  await writeTinyModel(join(folder, "my-model"));
  const row = {
    messages: [
      { role: "user", content: "1+1?" },
      { role: "assistant", content: "2" },
    ],
  };
  writeFileSync(join(folder, "rows.jsonl"), `${JSON.stringify(row)}\n`.repeat(3));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What each example prints, by its section. */
const PRINTED: Record<string, RegExp> = {
  Start: /\S/,
  Resources: /^accounts\/local\/datasets\/sums Small sums\naccounts\/local\/datasets\/sums\n2 \d+ true\n$/,
  Streams: /\S/,
  Errors: /^404 NOT_FOUND\n$/,
  Files:
    /^transferring \d+ \d+\n[\s\S]*validating (\d+) \1\nREADY HF_BASE_MODEL\n\[ '.*\/out\/rows\.jsonl' \]\n$/,
  "Models as wishes":
    /^accounts\/fireworks\/models\/smollm2-135m-instruct .*[\s\S]* \d+(\.\d+)?\naccounts\/local\/deployments\/docs-[0-9a-f]{24}\n$/,
  "Datasets and fine-tuning": /^accounts\/local\/datasets\/rows-[0-9a-f]{24}\ndataset-[0-9a-f]{24}\n$/,
};

test("all code of the page is TypeScript, and one example a section", () => {
  expect(examples.map(({ language }) => language)).toEqual(examples.map(() => "ts"));
  expect(examples.map(({ section }) => section)).toEqual(Object.keys(PRINTED));
});

test.each(examples)("the example of “$section” runs as it stands", async ({ section, text }) => {
  const file = join(folder, `${section.replaceAll(/\W/g, "-")}.mts`);
  writeFileSync(file, text);
  const { stdout } = await run(join(root, "node_modules/.bin/tsx"), [file], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      FIREWORKS_API_KEY: hearth.apiKey,
      FIREWORKS_API_BASE: hearth.baseUrl,
    },
  });
  expect(stdout).toMatch(PRINTED[section] as RegExp);
});

test("the examples keep the types", async () => {
  writeFileSync(join(folder, "tsconfig.json"), readFileSync(join(root, "tsconfig.base.json")));
  const types = ["--types", "node", "--typeRoots", join(root, "node_modules/@types")];
  const { stdout } = await run(join(root, "node_modules/.bin/tsc"), ["-p", folder, ...types]);
  expect(stdout).toBe("");
});
