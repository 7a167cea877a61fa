import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeTinyAdapter, writeTinyModel } from "../../../server/src/model-files/testing.ts";
import { type Hearth, startHearth } from "../../../server/test/harness/hearth.ts";
import { builtFirectl, tempFolder } from "./harness.ts";

/** What the guide takes for the platform's address. */
const ADDRESS = "http://127.0.0.1:8080";

interface Block {
  script: string;
  /** What it prints, among other things; `…` for anything. */
  printed: string | null;
}

/** Blocks of commands, each with the text behind it, if there is one. */
function blocksOf(guide: string): Block[] {
  const found = guide.matchAll(/```(\w*)\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g);
  return [...found].map(([, language, script = "", printed]) => {
    if (language !== "bash") throw new Error(`A block that nobody runs:\n${script}`);
    return { script, printed: printed ?? null };
  });
}

function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", "[\\s\\S]*?");
  return new RegExp(escaped.replaceAll(/ {2,}/g, " +"));
}

const blocks = blocksOf(readFileSync(new URL("../../../docs/firectl.md", import.meta.url), "utf8"));
let hearth: Hearth;
let cwd: string;
let env: Record<string, string>;

beforeAll(async () => {
  hearth = await startHearth();
  cwd = tempFolder();
  const firectl = await builtFirectl({ FIREWORKS_API_BASE: hearth.origin });
  mkdirSync(join(cwd, "bin"));
  writeFileSync(
    join(cwd, "bin/firectl"),
    `#!/bin/sh\nexec "${process.execPath}" "${firectl.program}" "$@"\n`,
  );
  chmodSync(join(cwd, "bin/firectl"), 0o755);
  env = { ...firectl.env, PATH: `${join(cwd, "bin")}:${firectl.env["PATH"]}` };
  writeFileSync(join(cwd, "api-key"), `${hearth.apiKey}\n`);
  await writeTinyModel(join(cwd, "checkpoint"));
  await writeTinyAdapter(join(cwd, "addon"));
  const row = {
    messages: [
      { role: "user", content: "1+1?" },
      { role: "assistant", content: "2" },
    ],
  };
  writeFileSync(join(cwd, "dataset.jsonl"), `${JSON.stringify(row)}\n`.repeat(5));
}, 180_000);

/** The guide's blocks build on each other. */
describe("docs/firectl.md", () => {
  test.each(blocks.map((block) => [block.script.split("\n")[0], block] as const))(
    "%s",
    async (_, { script, printed }) => {
      const text = script.replaceAll(ADDRESS, hearth.origin);
      const ran = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
        const argv = ["-e", "-o", "pipefail", "-c", text];
        execFile("bash", argv, { cwd, env }, (error, stdout, stderr) =>
          resolve({ code: error?.code ?? 0, stdout, stderr }),
        );
      });
      expect(ran.code === 0 ? "" : ran.stderr).toBe("");
      expect(ran.code).toBe(0);
      if (printed !== null) expect(ran.stdout.replaceAll(hearth.origin, ADDRESS)).toMatch(pattern(printed));
    },
  );
});
