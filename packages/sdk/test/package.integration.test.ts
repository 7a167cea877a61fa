import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sdk-package-"));
const project = join(folder, "project");

function run(command: string, args: readonly string[], cwd = project): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /);
  return stdout;
}

beforeAll(() => {
  const dist = join(folder, "dist");
  run(process.execPath, [join(root, "packages/sdk/scripts/build.mjs"), dist], root);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "somebody", "private": true }');
  run("npm", ["pack", "--pack-destination", folder], dist);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, tarball ?? "")]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const USE = `
const client = new sdk.Fireworks({ apiKey: "fw_test_key", baseURL: "http://127.0.0.1:9", maxRetries: 0 });
client.models.get("m").catch((error) => {
  console.log(error instanceof sdk.ConnectionError, node.ConnectionError === sdk.ConnectionError, typeof node.uploadModel);
});`;

test("the packed package installs without a network and without dependencies", () => {
  expect(readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
    "@hearth",
  ]);
});

test("the package works with import, and its two entries share their classes", () => {
  const script = `import * as sdk from "@hearth/sdk"; import * as node from "@hearth/sdk/node";${USE}`;
  expect(run(process.execPath, ["--input-type=module", "-e", script])).toBe("true true function\n");
});

test("the package works with require, and its two entries share their classes", () => {
  const script = `const sdk = require("@hearth/sdk"); const node = require("@hearth/sdk/node");${USE}`;
  expect(run(process.execPath, ["-e", script])).toBe("true true function\n");
});

const TYPED = `
import { Fireworks, LLM, NotFoundError, type types } from "@hearth/sdk";
import { uploadModel } from "@hearth/sdk/node";
export async function use(client: Fireworks): Promise<types.Model | undefined> {
  for await (const model of client.models.list({ filter: "state = READY" })) return model;
  const stream = await client.chat.completions.create({ model: "m", messages: [], stream: true });
  for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content?.length);
  const llm = new LLM({ model: "m", deploymentType: "auto", client });
  const reply = await llm.chat.completions.create({ messages: [{ role: "user", content: "Hi" }] });
  console.log(reply.choices[0]?.message.content, NotFoundError.name);
  // @ts-expect-error: a number is not an id
  await client.models.get(5);
  // @ts-expect-error: there is no such field
  await client.deployments.create({ baseModel: "b", nonsense: 1 });
  return uploadModel(client, "folder", { modelId: "m" });
}`;

test.each([
  ["ESM", "index.mts"],
  ["CommonJS", "index.cts"],
])("the package's types compile in %s", (_, file) => {
  writeFileSync(join(project, file), TYPED);
  const types = ["--types", "node", "--typeRoots", join(root, "node_modules/@types")];
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--lib", "es2023"];
  run(join(root, "node_modules/.bin/tsc"), [...options, ...types, file]);
});

test("a browser bundle of the package needs no Node module", async () => {
  const { metafile, outputFiles } = await build({
    stdin: { contents: 'export * from "@hearth/sdk";', resolveDir: project },
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "esm",
    platform: "browser",
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  expect(imports.filter(({ path, external }) => external === true || /(^node:|\/node\/)/.test(path))).toEqual(
    [],
  );
  const text = outputFiles[0]?.text ?? "";
  expect(text).not.toMatch(/\brequire\(|node:/);
  // A limit, so that growth of the browser bundle is noticed.
  expect(text.length).toBeLessThan(100_000);
});
