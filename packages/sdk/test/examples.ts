import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeTinyModel } from "../../../server/src/model-files/testing.ts";
import type { Hearth } from "../../../server/test/harness/hearth.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const run = promisify(execFile);

export interface Example {
  /** The heading above the example. */
  section: string;
  language: string;
  text: string;
}

/** The code blocks of docs/sdk.md. */
export function examplesOfGuide(): Example[] {
  const page = readFileSync(join(root, "docs/sdk.md"), "utf8");
  const examples: Example[] = [];
  let heading = "Start";
  for (const [, section, language = "", text = ""] of page.matchAll(
    /^## (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm,
  )) {
    if (section !== undefined) heading = section;
    else examples.push({ section: heading, language, text });
  }
  return examples;
}

/** Fills a folder with the files that the examples use. */
export async function exampleFolder(folder: string): Promise<void> {
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
}

/** Runs an example and returns its output. */
export async function runExample(
  hearth: Hearth,
  folder: string,
  { section, text }: Example,
): Promise<string> {
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
  return stdout;
}

/** Compiles the examples that were run, and returns the compiler's errors. */
export async function compileExamples(folder: string): Promise<string> {
  writeFileSync(join(folder, "tsconfig.json"), readFileSync(join(root, "tsconfig.base.json")));
  const types = ["--types", "node", "--typeRoots", join(root, "node_modules/@types")];
  const tsc = join(root, "node_modules/.bin/tsc");
  return (await run(tsc, ["-p", folder, ...types]).catch((error: { stdout: string }) => error)).stdout;
}
