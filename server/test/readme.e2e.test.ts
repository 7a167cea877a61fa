import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tempFolder, until } from "./harness/hearth.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
  language: language as string,
  text: text as string,
}));
const run = promisify(execFile);

let dataDir: string;
const starts: ChildProcess[] = [];

/** Runs one of the README's start commands in a shell, as it is written, but on a free port and a data folder of its own. */
async function start(command: string): Promise<string> {
  const child = spawn("bash", ["-c", `exec env ${command.replaceAll("\\\n", " ").trim()}`], {
    cwd: root,
    env: { ...process.env, HEARTH_PORT: "0", HEARTH_DATA_DIR: dataDir },
    stdio: ["ignore", "pipe", "pipe"],
    // npm and what it starts are one group, as in a terminal.
    detached: true,
  });
  starts.push(child);
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (text) => (output += text));
  const origin = await until("the banner", () => {
    if (child.exitCode !== null) throw new Error(`npm start ended:\n${output}`);
    return /Base URL\s+(http:\/\/\S+?)\/inference\/v1/.exec(output)?.[1];
  });
  return origin;
}

/** Ctrl-C: a terminal sends SIGINT to the whole process group. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-(child.pid as number), "SIGINT");
  await exited;
}

/** The text with the README's address and key file replaced by this test's. */
const localised = (text: string, origin: string): string =>
  text.replaceAll("http://127.0.0.1:8080", origin).replaceAll(".hearth/api-key", join(dataDir, "api-key"));

beforeAll(() => {
  dataDir = tempFolder();
});

afterAll(async () => {
  for (const child of starts) await stop(child);
});

describe("the README", () => {
  test("holds only commands that this file runs", () => {
    const shell = blocks
      .filter((block) => block.language === "sh")
      .map((block) => block.text.trim().split(/[ \n]/)[0]);
    expect(shell).toEqual([
      "npm",
      "npm",
      "curl",
      "HEARTH_MODEL_ALIASES=gpt-4o=accounts/fireworks/models/smollm2-135m-instruct",
      "npm",
    ]);
    expect(blocks.filter((block) => block.language === "ts")).toHaveLength(1);
    // `npm test` runs this file; the commands below are checked by their presence only.
    expect(blocks.filter((b) => b.language === "sh").map((b) => b.text.trim())).toEqual(
      expect.arrayContaining(["npm start", "npm test", "npm run bench"]),
    );
  });

  test("has a quickstart that works as written after npm start, with curl and with the OpenAI SDK", async () => {
    const origin = await start("npm start");
    const curl = blocks.find((block) => block.text.startsWith("curl"))?.text as string;
    const { stdout } = await run("bash", ["-c", localised(curl, origin)]);
    expect(JSON.parse(stdout).choices[0].message.content.length).toBeGreaterThan(0);

    const script = join(root, "server/test", `.quickstart-${process.pid}.mts`);
    writeFileSync(script, localised(blocks.find((block) => block.language === "ts")?.text as string, origin));
    try {
      const quickstart = await run(process.execPath, ["--import", "tsx", script], { cwd: root });
      expect(quickstart.stdout.length).toBeGreaterThan(0);
    } finally {
      rmSync(script);
    }
    await stop(starts[0] as ChildProcess);
  });

  test("has a start command whose alias and fallback answer for other models' names", async () => {
    const command = blocks.find((block) => block.text.startsWith("HEARTH_MODEL_ALIASES"))?.text as string;
    const origin = await start(command);
    const apiKey = readFileSync(join(dataDir, "api-key"), "utf8").trim();
    for (const model of ["gpt-4o", "accounts/fireworks/models/llama-v3p1-405b-instruct"]) {
      const response = await fetch(`${origin}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({ model, max_tokens: 2, messages: [{ role: "user", content: "Hi" }] }),
      });
      expect(response.status).toBe(200);
      expect(response.headers.get("x-hearth-fallback-model") !== null).toBe(model !== "gpt-4o");
    }
  });

  test("describes an npm start whose platform ends when npm is killed", async () => {
    dataDir = tempFolder();
    const origin = await start("npm start");
    (starts.at(-1) as ChildProcess).kill("SIGKILL");
    await until("nobody answers any more", () =>
      fetch(`${origin}/health`).then(
        () => false,
        () => true,
      ),
    );
  });
});
