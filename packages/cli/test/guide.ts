import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeTinyLora, writeTinyModel } from "../../../server/src/model-files/testing.ts";
import type { Hearth } from "../../../server/test/harness/hearth.ts";
import { type Firectl, type RunResult, tempFolder } from "./harness.ts";

/** The platform's address in the guide. */
const ADDRESS = "http://127.0.0.1:8080";

export interface Block {
  script: string;
  /** The expected output or a part of it; `…` matches anything. Null: not checked. */
  printed: RegExp | null;
}

/** The guide's command blocks, each with the output block after it, if there is one. */
export function guideBlocks(): Block[] {
  const guide = readFileSync(new URL("../../../docs/firectl.md", import.meta.url), "utf8");
  const found = guide.matchAll(/```(\w*)\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g);
  return [...found].map(([, language, script = "", printed]) => {
    if (language !== "bash") throw new Error(`A block that is not run, as it is not bash:\n${script}`);
    return { script, printed: printed === undefined ? null : pattern(printed) };
  });
}

function pattern(text: string): RegExp {
  const escaped = text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", "[\\s\\S]*?");
  return new RegExp(escaped.replaceAll(/ {2,}/g, " +"));
}

/** A shell in a folder with the guide's files, and with `firectl` in the path. */
export async function guideShell(
  hearth: Hearth,
  { program, env }: Firectl,
): Promise<(script: string) => Promise<RunResult>> {
  const cwd = tempFolder();
  mkdirSync(join(cwd, "bin"));
  mkdirSync(join(cwd, "home"));
  writeFileSync(join(cwd, "bin/firectl"), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
    mode: 0o755,
  });
  writeFileSync(join(cwd, "api-key"), `${hearth.apiKey}\n`);
  await writeTinyModel(join(cwd, "checkpoint"));
  await writeTinyLora(join(cwd, "addon"));
  const row = {
    messages: [
      { role: "user", content: "1+1?" },
      { role: "assistant", content: "2" },
    ],
  };
  writeFileSync(join(cwd, "dataset.jsonl"), `${JSON.stringify(row)}\n`.repeat(5));
  const shellEnv = {
    ...env,
    FIREWORKS_API_KEY: "",
    HOME: join(cwd, "home"),
    PATH: `${join(cwd, "bin")}:${env["PATH"]}`,
  };
  return (script) =>
    new Promise((resolve) => {
      const argv = ["-e", "-o", "pipefail", "-c", script.replaceAll(ADDRESS, hearth.origin)];
      execFile("bash", argv, { cwd, env: shellEnv }, (error, stdout, stderr) =>
        resolve({
          code: Number(error?.code ?? 0),
          stdout: stdout.replaceAll(hearth.origin, ADDRESS),
          stderr,
        }),
      );
    });
}
