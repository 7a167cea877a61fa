import { execFile, spawnSync } from "node:child_process";
import { existsSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completions } from "../src/commands/completion-candidates.ts";
import { builtFirectl, type Firectl, tempFolder } from "./harness.ts";

const exec = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));
const HEAP_MB = 24;
const MODELS = 10_000;
const PAGE = 200;

/** A server with a list of 10,000 models of about 4 kB each. */
const host = http.createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://host");
  const start = Number(url.searchParams.get("pageToken") ?? 0);
  const models = Array.from({ length: PAGE }, (_, i) => ({
    name: `accounts/acme/models/m-${start + i}`,
    state: "READY",
    description: "x".repeat(4_000),
  }));
  const next = start + PAGE < MODELS ? String(start + PAGE) : "";
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ models, nextPageToken: next, totalSize: MODELS }));
});
let firectl: Firectl;

beforeAll(async () => {
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
  firectl = await builtFirectl({
    FIREWORKS_API_BASE: `http://127.0.0.1:${(host.address() as AddressInfo).port}`,
    FIREWORKS_API_KEY: "fw_x",
    FIREWORKS_ACCOUNT_ID: "acme",
  });
});

afterAll(() => {
  host.closeAllConnections();
  host.close();
});

describe("a list of 10,000 models", () => {
  test.each([
    ["text", /m-9999 /],
    ["json", /"totalSize": 10000\n\}\n$/],
  ])("is printed as %s in less memory than it takes", async (format, last) => {
    const node = [`--max-old-space-size=${HEAP_MB}`, "--max-semi-space-size=1"];
    const { code, stdout, stderr } = await firectl.run(["list", "models", "--no-paginate", "-o", format], {
      node,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(last);
    expect(MODELS * 4_000).toBeGreaterThan(HEAP_MB * 1_000_000);
  });

  test("ends silently when the reader closes the pipe", async () => {
    const { stdout, stderr } = await exec(
      "bash",
      ["-c", `"${process.execPath}" "${firectl.program}" list models --no-paginate -o json | head -2`],
      { env: firectl.env },
    );
    expect({ stdout, stderr }).toEqual({ stdout: '{\n  "models": [\n', stderr: "" });
  });
});

describe("completion", () => {
  test.each<[string, string[]]>([
    ["cr", ["create"]],
    ["create dep", ["deployed-model", "deployment"]],
    ["create deployment --direct", ["--direct-route-api-keys", "--direct-route-type"]],
    ["create deployment my-model --wai", ["--wait", "--wait-timeout"]],
    ["create deployment --wait --pre", ["--precision"]],
    ["-a fireworks get mod", ["model"]],
    ["load-lora --dep", ["--deployment"]],
    ["create sf", ["sftj"]],
    ["list models -o ", ["json", "text"]],
    ["list models --output=j", ["--output=json"]],
    ["list models --output = j", ["--output=json"]],
    ["create deployment --accelerator-type NVIDIA_H", ["NVIDIA_H100_80GB", "NVIDIA_H200_141GB"]],
    ["completion ", ["bash", "fish", "zsh"]],
    ["create dataset my-dataset ", [":files"]],
    ["download model my-model d", [":folders"]],
    ["nonsense ", []],
  ])("offers the candidates after firectl %s", (line, expected) => {
    const found = completions(line.split(" "))
      .split("\n")
      .map((one) => one.split("\t")[0] as string);
    expect(found.filter((word) => word !== "").sort()).toEqual(expected);
  });

  // Not every machine has zsh and fish.
  const shells = ["bash", "zsh", "fish"].filter((shell) => spawnSync(shell, ["--version"]).status === 0);

  test.each(shells)("writes a script that %s accepts", async (shell) => {
    const { stdout } = await firectl.run(["completion", shell]);
    writeFileSync(join(firectl.folder, "script"), stdout);
    expect((await exec(shell, ["-n", join(firectl.folder, "script")])).stderr).toBe("");
  });

  test.each([
    ["cr", ["create"]],
    ["create deployment my-model --wai", ["--wait", "--wait-timeout"]],
    ["list models --output = j", ["json"]],
    ["create dataset my-dataset firec", ["firectl", "firectl.mjs"]],
  ])("offers the candidates in bash after firectl %s", async (line, expected) => {
    const words = ["firectl", ...line.split(" ")];
    writeFileSync(
      join(firectl.folder, "firectl"),
      `#!/bin/sh\nexec "${process.execPath}" "${firectl.program}" "$@"\n`,
      { mode: 0o755 },
    );
    const script = `
      source <(firectl completion bash)
      COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}
      _firectl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...firectl.env, PATH: `${firectl.folder}:${firectl.env["PATH"]}` };
    const { stdout } = await exec("bash", ["-c", script], { env, cwd: firectl.folder });
    expect(stdout.trim().split("\n").sort()).toEqual(expected);
  });
});

describe("the packaged program", () => {
  test("runs by npx in the repository, and is rebuilt when its sources are newer", async () => {
    const { stdout } = await exec("npx", ["--no-install", "firectl", "version"], { cwd: root });
    expect(stdout).toMatch(/^firectl \d/);
    const builtMs = new Set<number>();
    for (let i = 0; i < 3; i++) {
      await exec(process.execPath, [join(root, "packages/cli/bin/firectl.mjs"), "version"]);
      builtMs.add(statSync(join(root, "packages/cli/dist/firectl.mjs")).mtimeMs);
    }
    // Another test file may be building the program at the same time.
    expect(builtMs.size).toBeLessThan(3);
  });

  test("is one file with its launcher, and runs without other packages", async () => {
    const folder = tempFolder();
    const { stdout } = await exec("npm", ["pack", "--json", "--pack-destination", folder], {
      cwd: join(root, "packages/cli"),
    });
    const [{ files, filename }] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [
      { files: { path: string }[]; filename: string },
    ];
    expect(files.map(({ path }) => path).sort()).toEqual([
      "README.md",
      "bin/firectl.mjs",
      "dist/LICENSE",
      "dist/firectl.mjs",
      "package.json",
    ]);
    await exec("tar", ["-xzf", filename], { cwd: folder });
    const bin = join(folder, "package/bin/firectl.mjs");
    expect((await exec(process.execPath, [bin, "--help"], { cwd: folder })).stdout).toContain(
      "firectl <command>",
    );
    expect(existsSync(join(folder, "package/node_modules"))).toBe(false);
  });
});
