import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Principal } from "../accounts/service.ts";
import { loadCatalog } from "../models/catalog/load-catalog.ts";
import type { ShapeModel } from "./service.ts";
import { type ShapeTenants, startShapes } from "./testing.ts";

const CATALOG = fileURLToPath(new URL("../../../../catalog", import.meta.url));
const BASE = "accounts/fireworks/models/smollm2-135m-instruct";

let t: ShapeTenants;
let alice: Principal;
let mallory: Principal;
let folder: string;

beforeAll(async () => {
  const models = loadCatalog(CATALOG).map(({ name, kind, contextLength, weights }) => [
    name,
    {
      kind: kind === "HF_BASE_MODEL" ? "base" : "other",
      contextLength: contextLength ?? null,
      supportsLora: weights !== undefined,
    } satisfies Partial<ShapeModel>,
  ]);
  t = await startShapes(Object.fromEntries(models));
  alice = (await t.addUser("acme", "alice", "user")).principal;
  mallory = (await t.addUser("evil", "mallory", "admin")).principal;
  folder = mkdtempSync(join(tmpdir(), "hearth-shapes-"));
});
afterAll(async () => {
  await t.close();
  rmSync(folder, { recursive: true, force: true });
});

async function refusal(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => null,
    (error) => `${error.code ?? ""} ${error.message}`,
  );
}

const mark = (id: string, version: string, marks: object) =>
  t.shapes.updateVersion(alice, "acme", id, version, marks, undefined);

describe("the fields that a deployment copies from its shape", () => {
  const NAME = "accounts/acme/deploymentShapes/preset";

  test("are those that the newest validated version sets, and no others", async () => {
    const body = { baseModel: BASE, displayName: "P", enableAddons: false, maxContextLength: 512 };
    await t.shapes.create(alice, "acme", "preset", body);
    expect(await t.shapes.resolve(alice, NAME)).toEqual({
      version: `${NAME}/versions/1`,
      preset: { baseModel: BASE, enableAddons: false, maxContextLength: 512 },
    });
    await t.shapes.update(alice, "acme", "preset", { precision: "FP8" }, {});
    const { version, preset } = await t.shapes.resolve(alice, NAME);
    expect([version, preset.precision]).toEqual([`${NAME}/versions/2`, "FP8"]);
    expect((await t.shapes.resolve(alice, `${NAME}/versions/1`)).preset.precision).toBeUndefined();
  });

  test("are not those of a version that is not validated, unless the request asks for that version", async () => {
    await mark("preset", "2", { validated: false });
    expect((await t.shapes.resolve(alice, NAME)).version).toBe(`${NAME}/versions/1`);
    expect((await t.shapes.resolve(alice, NAME, true)).version).toBe(`${NAME}/versions/2`);
    expect(await refusal(t.shapes.resolve(alice, `${NAME}/versions/2`))).toMatch(/^FAILED_PRECONDITION/);
    expect((await t.shapes.resolve(alice, `${NAME}/versions/2`, true)).preset.precision).toBe("FP8");
    await mark("preset", "1", { validated: false });
    expect(await refusal(t.shapes.resolve(alice, NAME))).toMatch(/^FAILED_PRECONDITION/);
  });

  test("are those of the newest public version for other accounts, whatever checks they skip", async () => {
    const missing = await refusal(t.shapes.resolve(mallory, NAME.replace("preset", "nothing")));
    expect(missing).toMatch(/^NOT_FOUND/);
    const hidden = async (name: string) =>
      [
        await refusal(t.shapes.resolve(mallory, name)),
        await refusal(t.shapes.resolve(mallory, name, true)),
      ].map((text) => text?.replace("preset", "nothing").replace("/versions/2", ""));
    expect(await hidden(NAME)).toEqual([missing, missing]);
    await mark("preset", "1", { validated: true, public: true });
    expect(await hidden(`${NAME}/versions/2`)).toEqual([missing, missing]);
    expect((await t.shapes.resolve(mallory, NAME, true)).version).toBe(`${NAME}/versions/1`);
  });

  test.each([
    "preset",
    "accounts/acme/deployments/preset",
    `${NAME}/versions/x`,
    `${NAME}/`,
    "",
    "a/".repeat(9_000),
  ])("needs a full name: %s", async (name) => {
    expect(await refusal(t.shapes.resolve(alice, name))).toMatch(/^BAD_REQUEST deploymentShape/);
  });
});

test("a version is called validated only while its model allows it", async () => {
  await t.shapes.create(alice, "acme", "stale", { baseModel: BASE });
  await mark("stale", "1", { validated: false });
  await t.database.sql`
    update deployment_shape_versions set spec = jsonb_set(spec, '{maxContextLength}', '99999999')
    where shape_id = 'stale'`;
  expect(await refusal(mark("stale", "1", { validated: true }))).toMatch(/^BAD_REQUEST maxContextLength/);
  expect((await t.shapes.getVersion(alice, "acme", "stale", "1")).validated).toBe(false);
});

describe("shapes of the library", () => {
  const listed = async (user: Principal) =>
    (await t.shapes.list(user, "fireworks", { pageSize: 200 })).deploymentShapes;

  test("each fit their catalog model, and every account sees and uses them", async () => {
    await t.shapes.importCatalog(join(CATALOG, "shapes"));
    const names = (await listed(alice)).map(({ name }) => name);
    expect(names).toContain("accounts/fireworks/deploymentShapes/smollm2-135m-instruct-minimal");
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) await t.shapes.resolve(mallory, name);
    const small = await t.shapes.list(alice, "fireworks", { targetModel: BASE });
    expect(small.deploymentShapes.map(({ presetType }) => presetType).sort()).toEqual([
      "FAST",
      "MINIMAL",
      "THROUGHPUT",
    ]);
  });

  test("are imported as a new version when they changed, once by two concurrent processes, and the operator's shapes stay unchanged", async () => {
    const write = (displayName: string) =>
      writeFileSync(
        join(folder, "x.json"),
        JSON.stringify({ shapes: ["a", "b"].map((id) => ({ id: `x-${id}`, baseModel: BASE, displayName })) }),
      );
    const start = () => Promise.all([t.shapes.importCatalog(folder), t.shapes.importCatalog(folder)]);
    write("one");
    await start();
    await start();
    await t.shapes.update(t.operator.principal, "fireworks", "x-b", { displayName: "mine" }, {});
    write("two");
    await start();
    const shown = (await listed(alice)).filter(({ name }) => name.includes("/x-"));
    expect(shown.map(({ displayName }) => displayName).sort()).toEqual(["one", "two"]);
    const versions = async (id: string) =>
      (await t.shapes.listVersions(t.operator.principal, "fireworks", id, {})).totalSize;
    expect([await versions("x-a"), await versions("x-b")]).toEqual([2, 2]);
    expect((await t.shapes.get(t.operator.principal, "fireworks", "x-b", false)).displayName).toBe("mine");
  });

  test("are left out when an installation's model doesn't fit, and a broken file stops the start with its name", async () => {
    writeFileSync(
      join(folder, "x.json"),
      JSON.stringify({ shapes: [{ id: "too-long", baseModel: BASE, maxContextLength: 99_999_999 }] }),
    );
    await t.shapes.importCatalog(folder);
    expect((await listed(alice)).map(({ name }) => name)).not.toContain(
      "accounts/fireworks/deploymentShapes/too-long",
    );
    writeFileSync(join(folder, "x.json"), JSON.stringify({ shapes: [{ id: "a", baseModel: 3 }] }));
    expect(await refusal(t.shapes.importCatalog(folder))).toContain(
      "catalog/shapes/x.json: /shapes/0/baseModel",
    );
  });

  test("can be changed by the operator alone", async () => {
    const id = "smollm2-135m-instruct-fast";
    for (const user of [alice, mallory]) {
      expect(await refusal(t.shapes.update(user, "fireworks", id, { displayName: "x" }, {}))).toMatch(
        /^FORBIDDEN/,
      );
      expect(await refusal(t.shapes.delete(user, "fireworks", id))).toMatch(/^FORBIDDEN/);
      expect(await refusal(t.shapes.create(user, "fireworks", "mine", { baseModel: BASE }))).toMatch(
        /^FORBIDDEN/,
      );
    }
  });
});
