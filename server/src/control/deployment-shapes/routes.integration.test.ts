import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestUser } from "../api-keys/testing.ts";
import { type ShapeTenants, startShapes } from "./testing.ts";

const BASE = "accounts/fireworks/models/small";
const ADDON = "accounts/acme/models/addon";
const SHAPES = "/v1/accounts/acme/deploymentShapes";

let t: ShapeTenants;
let admin: TestUser;
let alice: TestUser;
let mallory: TestUser;

beforeAll(async () => {
  t = await startShapes({
    [BASE]: { contextLength: 8192, modelType: "llama", parameterCount: 70_000_000_000n },
    "accounts/fireworks/models/fused": { supportsLora: false },
    "accounts/evil/models/private": {},
    [ADDON]: { kind: "addon", baseModel: BASE },
    "accounts/fireworks/models/painter": { kind: "other" },
  });
  admin = await t.addUser("acme", "root", "admin");
  alice = await t.addUser("acme", "alice", "user");
  mallory = await t.addUser("evil", "mallory", "admin");
});
afterAll(() => t.close());

async function create(id: string, body: object = {}, user = alice): Promise<void> {
  const response = await t.call(user.key, "POST", `${SHAPES}?deploymentShapeId=${id}`, {
    baseModel: BASE,
    ...body,
  });
  expect(response.status, response.text).toBe(200);
}

async function publish(id: string, version: number): Promise<void> {
  const response = await t.call(alice.key, "PATCH", `${SHAPES}/${id}/versions/${version}`, { public: true });
  expect(response.status, response.text).toBe(200);
}

const versionsOf = async (user: TestUser, id: string) => {
  const { json } = await t.call(user.key, "GET", `${SHAPES}/${id}/versions`);
  return json.deploymentShapeVersions?.map(
    (version: { name: string; validated: boolean; public: boolean; latestValidated: boolean }) =>
      `${version.name.split("/").at(-1)}${version.validated ? " validated" : ""}${version.public ? " public" : ""}${version.latestValidated ? " latest" : ""}`,
  );
};

describe("a shape", () => {
  test("holds the fields of its creation and the facts of its model, and has one validated version", async () => {
    const body = {
      displayName: "Fast",
      description: "two\nlines",
      acceleratorCount: 2,
      acceleratorType: "NVIDIA_H100_80GB",
      precision: "FP8",
      enableAddons: true,
      maxContextLength: 4096,
      presetType: "FAST",
    };
    const made = await t.call(alice.key, "POST", `${SHAPES}?deploymentShapeId=fast`, {
      ...body,
      baseModel: BASE,
    });
    expect(made.json).toEqual({
      ...body,
      name: "accounts/acme/deploymentShapes/fast",
      baseModel: BASE,
      modelType: "llama",
      parameterCount: "70000000000",
      createTime: "2026-01-01T00:00:00.000Z",
      updateTime: "2026-01-01T00:00:00.000Z",
      disableDeploymentSizeValidation: false,
      draftTokenCount: 0,
      draftModel: "",
      ngramSpeculationLength: 0,
      disableSpeculativeDecoding: false,
      enableSessionAffinity: false,
      numLoraDeviceCached: 0,
    });
    expect((await t.call(admin.key, "GET", `${SHAPES}/fast`)).json).toEqual(made.json);
    expect((await t.call(admin.key, "GET", `${SHAPES}/fast/versions/1`)).json).toEqual({
      name: "accounts/acme/deploymentShapes/fast/versions/1",
      createTime: "2026-01-01T00:00:00.000Z",
      snapshot: made.json,
      validated: true,
      public: false,
      latestValidated: true,
    });
    const masked = await t.call(admin.key, "GET", `${SHAPES}/fast/versions?readMask=snapshot.precision`);
    expect(masked.json.deploymentShapeVersions).toEqual([{ snapshot: { precision: "FP8" } }]);
  });

  test("gets an id when none is given", async () => {
    const { json } = await t.call(alice.key, "POST", SHAPES, { baseModel: BASE });
    expect(json.name).toMatch(/^accounts\/acme\/deploymentShapes\/[a-z][a-z0-9]{15}$/);
  });

  test("is refused with 409 when its id is taken, and is deleted with all its versions", async () => {
    await create("twice");
    const again = await t.call(alice.key, "POST", `${SHAPES}?deploymentShapeId=twice`, { baseModel: BASE });
    expect([again.status, again.json.code]).toEqual([409, 6]);
    expect((await t.call(alice.key, "DELETE", `${SHAPES}/twice`)).json).toEqual({});
    for (const path of ["twice", "twice/versions", "twice/versions/1"]) {
      expect((await t.call(alice.key, "GET", `${SHAPES}/${path}`)).status, path).toBe(404);
    }
    expect((await t.call(alice.key, "DELETE", `${SHAPES}/twice`)).status).toBe(404);
    await create("twice");
    expect(await versionsOf(alice, "twice")).toEqual(["1 validated latest"]);
  });

  test.each([
    ["no model", { baseModel: undefined }, "baseModel"],
    ["a short model name", { baseModel: "fireworks/small" }, "baseModel"],
    ["an addon for its model", { baseModel: ADDON }, "baseModel"],
    ["a model that runs nowhere here", { baseModel: "accounts/fireworks/models/painter" }, "baseModel"],
    ["an unknown accelerator", { acceleratorType: "NVIDIA_T1000" }, "acceleratorType"],
    ["an unknown precision", { precision: "FP1" }, "precision"],
    ["fewer accelerators than none", { acceleratorCount: -1 }, "acceleratorCount"],
    ["accelerators that are too small", { acceleratorCount: 1 }, "acceleratorCount"],
    ["more context than the model has", { maxContextLength: 8193 }, "maxContextLength"],
    [
      "addons on a model that takes none",
      { baseModel: "accounts/fireworks/models/fused", enableAddons: true },
      "enableAddons",
    ],
    ["two kinds of guessing", { draftModel: BASE, ngramSpeculationLength: 2 }, "ngramSpeculationLength"],
    ["guessing without a number", { ngramSpeculationLength: 2 }, "draftTokenCount"],
    ["a number without guessing", { draftTokenCount: 2 }, "draftTokenCount"],
    [
      "guessing that is off",
      { ngramSpeculationLength: 2, draftTokenCount: 2, disableSpeculativeDecoding: true },
      "disableSpeculativeDecoding",
    ],
    ["a huge name", { displayName: "x".repeat(64) }, "displayName"],
    ["a huge description", { description: "x".repeat(1_000) }, "description"],
    ["an unknown field", { replicas: 3 }, "replicas"],
    ["a broken id", { id: "Fast" }, "id"],
  ])("with %s is refused by name", async (_what, body, field) => {
    const response = await t.call(alice.key, "POST", `${SHAPES}?deploymentShapeId=wrong`, {
      baseModel: BASE,
      ...body,
    });
    expect([response.status, response.json.code], response.text).toEqual([400, 3]);
    expect(response.json.details[0].fieldViolations[0].field).toBe(field);
    expect((await t.call(alice.key, "GET", `${SHAPES}/wrong`)).status).toBe(404);
  });

  test("is refused in the same words when its model doesn't exist and when the caller may not see the model", async () => {
    const missing = await t.call(alice.key, "POST", SHAPES, { baseModel: "accounts/evil/models/nothing" });
    const foreign = await t.call(alice.key, "POST", SHAPES, { baseModel: "accounts/evil/models/private" });
    expect([foreign.status, foreign.text.replace("private", "nothing")]).toEqual([404, missing.text]);
    const draft = { baseModel: BASE, draftModel: "accounts/evil/models/private", draftTokenCount: 2 };
    expect((await t.call(alice.key, "POST", SHAPES, draft)).status).toBe(404);
  });

  test("that is too large for its accelerators is accepted with disableDeploymentSizeValidation", async () => {
    await create("big", { acceleratorCount: 1, disableDeploymentSizeValidation: true });
  });
});

describe("versions of a shape", () => {
  test("are made by every change, from the newest version or from the newest validated one", async () => {
    await create("grown", { displayName: "one", acceleratorCount: 2 });
    const path = `${SHAPES}/grown`;
    t.clock.advance(1_000);
    const second = await t.call(alice.key, "PATCH", path, { displayName: "two", acceleratorCount: 4 });
    expect(second.json).toMatchObject({ displayName: "two", acceleratorCount: 4 });
    expect(second.json.updateTime > second.json.createTime).toBe(true);
    expect(await versionsOf(alice, "grown")).toEqual(["2 validated latest", "1 validated"]);
    expect((await t.call(alice.key, "GET", `${path}/versions/1`)).json.snapshot.displayName).toBe("one");

    await t.call(alice.key, "PATCH", `${path}/versions/2`, { validated: false });
    expect(await versionsOf(alice, "grown")).toEqual(["2", "1 validated latest"]);
    const refused = await t.call(alice.key, "GET", path);
    expect([refused.status, refused.json.code]).toEqual([400, 9]);
    expect((await t.call(alice.key, "GET", `${path}?skipShapeValidation=true`)).json.displayName).toBe("two");

    const third = await t.call(alice.key, "PATCH", `${path}?fromLatestValidated=true&updateMask=precision`, {
      precision: "FP8",
      displayName: "ignored",
    });
    expect(third.json).toMatchObject({ displayName: "one", acceleratorCount: 2, precision: "FP8" });
    expect(await versionsOf(alice, "grown")).toEqual(["3 validated latest", "2", "1 validated"]);
    const filter = encodeURIComponent("latest_validated = true AND snapshot.precision = FP8");
    const found = await t.call(alice.key, "GET", `${path}/versions?filter=${filter}`);
    expect(found.json.totalSize).toBe(1);
  });

  test("can't start from a validated version when there is none", async () => {
    await create("void");
    await t.call(alice.key, "PATCH", `${SHAPES}/void/versions/1`, { validated: false });
    const response = await t.call(alice.key, "PATCH", `${SHAPES}/void?fromLatestValidated=true`, {
      precision: "FP8",
    });
    expect([response.status, response.json.code]).toEqual([400, 9]);
  });

  test("are not made by a change that the model doesn't allow; a mask without a value sets the default", async () => {
    await create("kept", { maxContextLength: 100 });
    expect((await t.call(alice.key, "PATCH", `${SHAPES}/kept`, { maxContextLength: 9_000 })).status).toBe(
      400,
    );
    expect((await t.call(alice.key, "PATCH", `${SHAPES}/kept?updateMask=baseModel`, {})).status).toBe(400);
    expect(await versionsOf(alice, "kept")).toEqual(["1 validated latest"]);
    const reset = await t.call(alice.key, "PATCH", `${SHAPES}/kept?updateMask=maxContextLength`, {});
    expect(reset.json.maxContextLength).toBe(0);
  });

  test("are made by both of two concurrent changes", async () => {
    await create("raced");
    await Promise.all([
      t.call(alice.key, "PATCH", `${SHAPES}/raced`, { displayName: "raced" }),
      t.call(admin.key, "PATCH", `${SHAPES}/raced`, { enableAddons: true }),
    ]);
    const { json } = await t.call(alice.key, "GET", `${SHAPES}/raced`);
    expect(json).toMatchObject({ displayName: "raced", enableAddons: true });
    expect(await versionsOf(alice, "raced")).toEqual(["3 validated latest", "2 validated", "1 validated"]);
  });

  test("are not found under another version's name", async () => {
    await create("few");
    for (const version of ["0", "2", "01x", "99999999999", "latest"]) {
      expect((await t.call(alice.key, "GET", `${SHAPES}/few/versions/${version}`)).status, version).toBe(404);
      const patch = await t.call(alice.key, "PATCH", `${SHAPES}/few/versions/${version}`, { public: true });
      expect(patch.status, version).toBe(404);
    }
  });
});

describe("principals of other accounts", () => {
  test("see the newest version that is validated and public, and nothing of other shapes", async () => {
    await create("shown", { displayName: "public" });
    const path = `${SHAPES}/shown`;
    const see = async () => {
      const response = await t.call(mallory.key, "GET", path);
      return response.status === 200 ? response.json.displayName : response.status;
    };
    expect(await see()).toBe(404);
    await publish("shown", 1);
    await t.call(alice.key, "PATCH", path, { displayName: "secret" });
    expect(await see()).toBe("public");
    expect(await versionsOf(mallory, "shown")).toEqual(["1 validated public"]);
    expect((await t.call(mallory.key, "GET", `${path}/versions/2`)).status).toBe(404);
    const listed = await t.call(mallory.key, "GET", SHAPES);
    expect(listed.json.deploymentShapes.map((shape: { displayName: string }) => shape.displayName)).toEqual([
      "public",
    ]);
    expect((await t.call(mallory.key, "GET", `${SHAPES}?filter=displayName=secret`)).json.totalSize).toBe(0);
    await t.call(alice.key, "PATCH", `${path}/versions/1`, { validated: false });
    expect(await see()).toBe(404);
  });

  test("get the answer for a missing shape to every change, also of public shapes", async () => {
    await create("closed");
    const body = { displayName: "x" };
    const attempt = (id: string) => [
      t.call(mallory.key, "PATCH", `${SHAPES}/${id}`, body),
      t.call(mallory.key, "DELETE", `${SHAPES}/${id}`),
      t.call(mallory.key, "PATCH", `${SHAPES}/${id}/versions/1`, { public: true }),
      t.call(mallory.key, "GET", `${SHAPES}/${id}/versions`),
      t.call(mallory.key, "GET", `${SHAPES}/${id}/versions/1`),
    ];
    const missing = await Promise.all(attempt("nothing"));
    for (const [i, response] of (await Promise.all(attempt("closed"))).entries()) {
      expect([response.status, response.text.replaceAll("closed", "nothing")]).toEqual([
        404,
        missing[i]?.text,
      ]);
    }
    expect((await t.call(mallory.key, "POST", SHAPES, { baseModel: BASE })).status).toBe(404);
    expect(await versionsOf(alice, "closed")).toEqual(["1 validated latest"]);
  });

  test("get 401 on every path without a key", async () => {
    for (const [method, path] of [
      ["GET", SHAPES],
      ["POST", SHAPES],
      ["GET", `${SHAPES}/fast`],
      ["PATCH", `${SHAPES}/fast`],
      ["DELETE", `${SHAPES}/fast`],
      ["GET", `${SHAPES}/fast/versions`],
      ["GET", `${SHAPES}/fast/versions/1`],
      ["PATCH", `${SHAPES}/fast/versions/1`],
    ] as const) {
      expect((await t.call(null, method, path)).status).toBe(401);
    }
  });
});

describe("roles", () => {
  test("let inference users read shapes, and contributors change only their own", async () => {
    const reader = await t.addUser("acme", "reader", "inference-user");
    const maker = await t.addUser("acme", "maker", "contributor");
    await create("alices");
    await create("makers", {}, maker);
    expect((await t.call(reader.key, "GET", `${SHAPES}/alices`)).status).toBe(200);
    expect((await t.call(reader.key, "POST", SHAPES, { baseModel: BASE })).status).toBe(403);
    for (const [id, status] of [
      ["alices", 403],
      ["makers", 200],
    ] as const) {
      expect((await t.call(maker.key, "PATCH", `${SHAPES}/${id}`, { displayName: "x" })).status).toBe(status);
      expect((await t.call(maker.key, "PATCH", `${SHAPES}/${id}/versions/1`, { public: true })).status).toBe(
        status,
      );
      expect((await t.call(maker.key, "DELETE", `${SHAPES}/${id}`)).status).toBe(status);
    }
  });
});

test("targetModel selects shapes of the model, and for an addon those of its base model that take addons", async () => {
  const { key } = await t.addUser("acme", "picker", "user");
  await create("plain-one", { displayName: "picked" });
  await create("addon-one", { displayName: "picked", enableAddons: true });
  await create("fused-one", { displayName: "picked", baseModel: "accounts/fireworks/models/fused" });
  const pick = async (model: string) => {
    const path = `${SHAPES}?filter=displayName=picked&orderBy=name&targetModel=${model}`;
    const { status, json } = await t.call(key, "GET", path);
    return json.deploymentShapes?.map((shape: { name: string }) => shape.name.split("/").at(-1)) ?? status;
  };
  expect(await pick(BASE)).toEqual(["addon-one", "plain-one"]);
  expect(await pick(ADDON)).toEqual(["addon-one"]);
  expect(await pick("accounts/fireworks/models/fused")).toEqual(["fused-one"]);
  expect(await pick("accounts/evil/models/private")).toBe(404);
  expect(await pick("small")).toBe(400);
});

describe("the versions of all shapes", () => {
  const names = async (who: TestUser, parent: string, query = ""): Promise<string[]> => {
    const reply = await t.call(who.key, "GET", `/v1/${parent}/versions${query}`);
    expect(reply.status, reply.text).toBe(200);
    return reply.json.deploymentShapeVersions.map(({ name }: { name: string }) => name);
  };

  test("are listed under - as far as the caller may see them, also of all accounts", async () => {
    await create("wild-public");
    await create("wild-private");
    await publish("wild-public", 1);
    const seen = ["accounts/acme/deploymentShapes/wild-public/versions/1"];
    const hidden = "accounts/acme/deploymentShapes/wild-private/versions/1";
    for (const parent of [
      "accounts/-/deploymentShapes/-",
      "accounts/acme/deploymentShapes/-",
      "accounts/-/deploymentShapes/wild-public",
    ]) {
      expect(await names(mallory, parent), parent).toEqual(expect.arrayContaining(seen));
      expect(await names(mallory, parent), parent).not.toContain(hidden);
      expect(await names(alice, parent), parent).toEqual(expect.arrayContaining(seen));
    }
    expect(await names(alice, "accounts/-/deploymentShapes/-")).toContain(hidden);
    expect(await names(mallory, "accounts/evil/deploymentShapes/-")).toEqual([]);
    const page = await names(alice, "accounts/-/deploymentShapes/-", "?pageSize=1");
    expect(page).toHaveLength(1);
  });

  test("are the only ones that a wildcard stands for: one shape and one version need their names", async () => {
    for (const path of [
      "accounts/-/deploymentShapes/wild-public",
      "accounts/acme/deploymentShapes/-/versions/1",
    ]) {
      expect((await t.call(alice.key, "GET", `/v1/${path}`)).status).toBe(404);
    }
  });
});
