import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { HttpResponse, Json } from "../../../test/harness/http.ts";
import { AppError } from "../../lib/errors.ts";
import { LIBRARY, type OrchestrationTest, SERVED, startOrchestration } from "../../orchestration/testing.ts";
import type { TestUser } from "../api-keys/testing.ts";

const WEEK_MS = 7 * 86_400_000;

let test: OrchestrationTest;
let alice: TestUser;
let bob: TestUser;
let count = 0;

beforeAll(async () => {
  test = await startOrchestration();
  alice = await test.addUser("acme", "alice", "user");
  bob = await test.addUser("other", "bob", "admin");
});
afterAll(() => test.close());
beforeEach(() => test.fleet.reset());

const PATH = "/v1/accounts/acme/deployedModels";
const as = (user: TestUser, method: string, where: string, body?: unknown): Promise<HttpResponse> =>
  test.call(user.key, method, where, body);

/** A new LoRA addon of the account. */
function addon(baseModel = LIBRARY, account = "acme"): string {
  return test.models.add(`accounts/${account}/models/lora-${++count}`, { baseModel });
}

async function deployment(body: object = {}): Promise<string> {
  const made = await as(alice, "POST", "/v1/accounts/acme/deployments", { baseModel: LIBRARY, ...body });
  expect(made.status, made.text).toBe(200);
  await test.settle();
  return made.json.name;
}

async function load(model: string, deployment?: string, overrides: object = {}): Promise<Json> {
  const response = await as(alice, "POST", PATH, {
    model,
    ...(deployment ? { deployment } : {}),
    ...overrides,
  });
  expect(response.status, response.text).toBe(200);
  return response.json;
}

const get = async (name: string): Promise<Json> => (await as(alice, "GET", `/v1/${name}`)).json;
const loadedOn = async (name: string): Promise<Json[]> => {
  const filter = encodeURIComponent(`deployment = "${name}"`);
  return (await as(alice, "GET", `${PATH}?filter=${filter}`)).json.deployedModels;
};

function refused(response: HttpResponse, text: string, status = 400): void {
  expect(response.status, response.text).toBe(status);
  expect(JSON.stringify(response.json)).toContain(text);
}

describe("a deployment's own model", () => {
  it("is deployed with it under a name of its own, and follows its state", async () => {
    test.fleet.holdAt = "loading";
    const name = await deployment();
    const [own] = await loadedOn(name);
    expect(own).toMatchObject({ model: LIBRARY, deployment: name, serverless: false, state: "DEPLOYING" });
    expect(own.name).toMatch(/^accounts\/acme\/deployedModels\/library-[a-z][a-z0-5]{7}$/);
    await test.fleet.release();
    test.clock.advance(1_000);
    await test.settle();
    expect(await get(own.name)).toMatchObject({ state: "DEPLOYED", status: { code: "OK", message: "" } });
    await as(alice, "DELETE", `/v1/${name}`);
    await test.settle();
    expect((await as(alice, "GET", `/v1/${own.name}`)).status).toBe(404);
    await as(alice, "POST", `/v1/${name}:undelete`, {});
    await test.settle();
    expect((await loadedOn(name)).map(({ name }) => name)).toEqual([own.name]);
  });

  it("is left out with disableAutoDeploy, and loaded later", async () => {
    const made = await as(alice, "POST", "/v1/accounts/acme/deployments?disableAutoDeploy=true", {
      baseModel: LIBRARY,
    });
    const { name } = made.json;
    await test.settle();
    expect(await loadedOn(name)).toEqual([]);
    expect(await load(LIBRARY, name)).toMatchObject({ state: "DEPLOYED" });
    refused(await as(alice, "POST", PATH, { model: LIBRARY, deployment: name }), "already");
    refused(await as(alice, "POST", PATH, { model: SERVED, deployment: name }), "model");
  });
});

describe("loading a LoRA addon", () => {
  it("onto a deployment with addons is DEPLOYING until a replica has loaded it, then DEPLOYED", async () => {
    const name = await deployment({ enableAddons: true });
    const lora = addon();
    test.fleet.holdLoras = true;
    const made = await load(lora, name);
    expect(made).toMatchObject({
      model: lora,
      deployment: name,
      state: "DEPLOYING",
      default: true,
      public: false,
    });
    await test.settle();
    expect((await get(made.name)).state).toBe("DEPLOYING");
    const [adapter] = test.fleet.specs.get(name)!.loras;
    expect(adapter?.id).toBe(made.name);
    await test.fleet.release();
    test.clock.advance(5_000);
    await test.settle();
    expect((await get(made.name)).state).toBe("DEPLOYED");
    const route = test.orchestrator.resolve(alice.principal, lora);
    expect(route).toMatchObject({ model: lora, deployment: name, lora: made.name });
    const events = await as(alice, "GET", `/v1/${name}/events`);
    expect(events.json.events.at(-1)).toMatchObject({ type: "MODEL", message: `${lora} is loaded.` });
  });

  it("accepts a deployment's id, short name or full name, and many addons on one deployment", async () => {
    const name = await deployment({ enableAddons: true });
    const id = name.split("/")[3] as string;
    for (const wanted of [id, `acme/${id}`, name]) {
      expect(await load(addon(), wanted)).toMatchObject({ deployment: name });
    }
    expect(test.fleet.specs.get(name)?.loras).toHaveLength(3);
  });

  it("onto the serverless deployment of its base model works without and with the deployment's name", async () => {
    const lora = addon(SERVED);
    const made = await load(lora);
    expect(made).toMatchObject({ serverless: true, deployment: "accounts/fireworks/deployments/served" });
    expect(test.fleet.specs.get(SERVED)?.loras.map(({ id }) => id)).toContain(made.name);
    expect(test.orchestrator.resolve(alice.principal, lora)).toMatchObject({
      model: lora,
      deployment: SERVED,
      lora: made.name,
      isolation: "account",
    });
    const other = addon(SERVED);
    expect(await load(other, made.deployment)).toMatchObject({ serverless: true });
    refused(await as(alice, "POST", PATH, { model: addon(LIBRARY) }), "no serverless deployment");
    refused(await as(alice, "POST", PATH, { model: SERVED }), "deployment");
    await as(alice, "DELETE", `/v1/${made.name}`);
    await test.settle();
    expect(test.fleet.specs.get(SERVED)?.loras.map(({ id }) => id)).not.toContain(made.name);
    expect((await as(alice, "GET", `/v1/${made.name}`)).status).toBe(404);
  });

  it("that fails shows the reason in its status and in the 412 of a request", async () => {
    const name = await deployment({ enableAddons: true });
    const lora = addon();
    test.fleet.loraError = new AppError("UNAVAILABLE", "The addon's files can't be read.");
    const made = await load(lora, name);
    await test.settle();
    expect(await get(made.name)).toMatchObject({
      state: "DEPLOYING",
      status: { code: "FAILED_PRECONDITION", message: "The addon's files can't be read." },
    });
    expect(() => test.orchestrator.resolve(alice.principal, lora)).toThrow(
      expect.objectContaining({
        code: "FAILED_PRECONDITION",
        status: 412,
        message: "The addon's files can't be read.",
      }),
    );
    await test.fleet.reset();
    await test.fleet.pass(5_000);
    test.clock.advance(5_000);
    await test.settle();
    expect(await get(made.name)).toMatchObject({ state: "DEPLOYED", status: { code: "OK", message: "" } });
    expect(test.orchestrator.resolve(alice.principal, lora)).toMatchObject({ lora: made.name });
  });

  it("is refused where it can't work, with the name of the field", async () => {
    const plain = await deployment();
    const withAddons = await deployment({ enableAddons: true });
    const lora = addon();
    const refusal = (body: object, query = ""): Promise<HttpResponse> =>
      as(alice, "POST", `${PATH}${query}`, body);
    refused(await refusal({ model: lora, deployment: plain }), "enableAddons");
    refused(await refusal({ model: addon(SERVED), deployment: withAddons }), "addon to");
    refused(await refusal({ deployment: withAddons }), "model");
    refused(await refusal({ model: "a b", deployment: withAddons }), "model");
    refused(await refusal({ model: lora, deployment: "a/b/c" }), "deployment");
    refused(await refusal({ model: lora, deployment: withAddons, serverless: true }), "serverless");
    refused(await refusal({ model: lora, deployment: withAddons, colour: 1 }), "colour");
    refused(
      await refusal({ model: lora, deployment: withAddons }, "?replaceMergedAddon=true"),
      "replaceMergedAddon",
    );
    refused(
      await refusal({ model: lora, deployment: withAddons, displayName: "x".repeat(64) }),
      "displayName",
    );
    await load(lora, withAddons);
    refused(await refusal({ model: lora, deployment: withAddons }), "already");
    await as(alice, "DELETE", `/v1/${withAddons}?ignoreChecks=true`);
    refused(await refusal({ model: addon(), deployment: withAddons }), "DELET");
  });

  it("treats another account's models and deployments like missing ones", async () => {
    const name = await deployment({ enableAddons: true });
    const secret = addon(LIBRARY, "other");
    const loaded = await load(addon(), name);
    const missing = await as(alice, "POST", PATH, {
      model: "accounts/other/models/nothing",
      deployment: name,
    });
    const hidden = await as(alice, "POST", PATH, { model: secret, deployment: name });
    expect([hidden.status, hidden.json.message]).toEqual([
      404,
      missing.json.message.replace("nothing", secret.split("/")[3]),
    ]);
    const theirs = "/v1/accounts/other/deployedModels";
    for (const deployment of [name, "accounts/acme/deployments/nothing"]) {
      const response = await as(bob, "POST", theirs, { model: secret, deployment });
      expect([response.status, response.json.message]).toEqual([404, `Deployment ${deployment} not found.`]);
    }
    for (const [method, body] of [["GET"], ["PATCH", { public: true }], ["DELETE"]] as const) {
      expect((await as(bob, method, `/v1/${loaded.name}`, body)).status).toBe(404);
    }
    expect((await as(bob, "GET", PATH)).json).toMatchObject({ deployedModels: [], totalSize: 0 });
    expect((await as(bob, "POST", PATH, { model: LIBRARY })).status).toBe(404);
  });

  it("is limited to a hundred addons", async () => {
    const name = await deployment({ enableAddons: true });
    const here = (await as(alice, "GET", `${PATH}?pageSize=200&filter=${encodeURIComponent('model != "x"')}`))
      .json;
    const acmeAddons = here.deployedModels.filter((one: Json) =>
      one.model.startsWith("accounts/acme/models/"),
    );
    for (const { name: loaded } of acmeAddons) await as(alice, "DELETE", `/v1/${loaded}`);
    await test.settle();
    for (let i = 0; i < 100; i++) await load(addon(), name);
    const full = "quotas/loras is 100";
    refused(await as(alice, "POST", PATH, { model: addon(), deployment: name }), full, 429);
    refused(await as(alice, "POST", "/v1/accounts/acme/deployments", { baseModel: addon() }), full, 429);
    for (const { name: loaded } of await loadedOn(name)) await as(alice, "DELETE", `/v1/${loaded}`);
    await as(alice, "DELETE", `/v1/${name}?hard=true&ignoreChecks=true`);
    await test.settle();
  });

  it("is undone after a week without a request", async () => {
    const name = await deployment({ enableAddons: true, unusedAutoDeleteDuration: "0s" });
    const [unused, used] = [await load(addon(), name), await load(addon(), name)];
    await test.settle();
    test.clock.advance(WEEK_MS / 2);
    test.orchestrator.resolve(alice.principal, used.model);
    test.clock.advance(WEEK_MS / 2);
    await test.settle();
    expect((await as(alice, "GET", `/v1/${unused.name}`)).status).toBe(404);
    expect((await get(used.name)).state).toBe("DEPLOYED");
    expect(test.fleet.specs.get(name)?.loras.map(({ id }) => id)).toEqual([used.name]);
  });
});

describe("a LoRA addon deployed alone", () => {
  it("runs on its base model's weights and answers to its own name", async () => {
    const lora = addon();
    const name = await deployment({ baseModel: lora });
    const [own] = await loadedOn(name);
    expect(own).toMatchObject({ model: lora, state: "DEPLOYED", default: true });
    expect(test.fleet.specs.get(name)).toMatchObject({ model: LIBRARY, loras: [{ id: own.name }] });
    expect(test.orchestrator.resolve(alice.principal, `${lora}#${name}`)).toMatchObject({ lora: own.name });
    expect(() => test.orchestrator.resolve(alice.principal, `${LIBRARY}#${name}`)).toThrow("not found");
    refused(await as(alice, "POST", PATH, { model: addon(), deployment: name }), "enableAddons");
    refused(
      await as(alice, "POST", "/v1/accounts/acme/deployments", { baseModel: lora, enableAddons: true }),
      "enableAddons",
    );
  });
});

describe("hot reload", () => {
  it("merges one addon into the deployment's weights, and replaces it once the next one is loaded", async () => {
    const name = await deployment({ enableHotReloadLatestAddon: true });
    const [first, second] = [addon(), addon()];
    const firstLoaded = await load(first, name);
    await test.settle();
    const base = `${LIBRARY}#${name}`;
    expect(test.orchestrator.resolve(alice.principal, base)).toMatchObject({ lora: firstLoaded.name });
    refused(await as(alice, "POST", PATH, { model: second, deployment: name }), "replaceMergedAddon");
    test.fleet.holdLoras = true;
    test.clock.advance(1);
    const two = (
      await as(alice, "POST", `${PATH}?replaceMergedAddon=true`, { model: second, deployment: name })
    ).json;
    await test.settle();
    expect(test.orchestrator.resolve(alice.principal, base)).toMatchObject({ lora: firstLoaded.name });
    await test.fleet.release();
    test.clock.advance(5_000);
    await test.settle();
    expect(test.orchestrator.resolve(alice.principal, base)).toMatchObject({ lora: two.name });
    test.clock.advance(5_000);
    await test.settle();
    expect((await as(alice, "GET", `/v1/${firstLoaded.name}`)).status).toBe(404);
    expect(test.fleet.specs.get(name)?.loras.map(({ id }) => id)).toEqual([two.name]);
  });
});

describe("the default of a model", () => {
  it("is the first that was loaded until another one is set, and is deleted last", async () => {
    const lora = addon();
    const [a, b] = [await deployment({ enableAddons: true }), await deployment({ enableAddons: true })];
    const [first, second] = [await load(lora, a), await load(lora, b)];
    expect([first.default, second.default]).toEqual([true, false]);
    const route = () => test.orchestrator.resolve(alice.principal, lora).deployment;
    expect(route()).toBe(a);
    refused(await as(alice, "DELETE", `/v1/${first.name}`), "default");
    refused(await as(alice, "DELETE", `/v1/${a}`), "ignoreChecks");
    refused(await as(alice, "PATCH", `/v1/${first.name}`, { default: false }), "default");
    expect((await as(alice, "PATCH", `/v1/${second.name}`, { default: true })).json.default).toBe(true);
    expect((await get(first.name)).default).toBe(false);
    expect(route()).toBe(b);
    expect((await as(alice, "DELETE", `/v1/${first.name}`)).status).toBe(200);
    await test.settle();
    expect((await as(alice, "DELETE", `/v1/${second.name}`)).status).toBe(200);
    expect(() => test.orchestrator.resolve(alice.principal, lora)).toThrow("not found");
  });

  it("passes to the oldest other one when its deployment is deleted without checks", async () => {
    const lora = addon();
    const [a, b] = [await deployment({ enableAddons: true }), await deployment({ enableAddons: true })];
    const [, second] = [await load(lora, a), await load(lora, b)];
    expect((await as(alice, "DELETE", `/v1/${a}?ignoreChecks=true`)).status).toBe(200);
    expect((await get(second.name)).default).toBe(true);
    expect(test.orchestrator.resolve(alice.principal, lora).deployment).toBe(b);
    await test.settle();
    await as(alice, "POST", `/v1/${a}:undelete`, {});
    await test.settle();
    const back = (await loadedOn(a)).find((one) => one.model === lora);
    expect(back).toMatchObject({ default: false, state: "DEPLOYED" });
  });

  it("is unique, however many are loaded at the same time", async () => {
    const lora = addon();
    const names = await Promise.all(Array.from({ length: 5 }, () => deployment({ enableAddons: true })));
    const made = await Promise.all(names.map((name) => load(lora, name, { default: true })));
    const now = await Promise.all(made.map(({ name }) => get(name)));
    expect(now.filter((one) => one.default)).toHaveLength(1);
  });
});

describe("update", () => {
  it("changes names, default and public, accepts what was read, and changes nothing else", async () => {
    const name = await deployment({ enableAddons: true });
    const made = await load(addon(), name);
    const response = await as(alice, "PATCH", `/v1/${made.name}`, {
      ...made,
      displayName: "shown",
      public: true,
    });
    expect(response.json).toMatchObject({ displayName: "shown", public: true, default: true });
    refused(await as(alice, "PATCH", `/v1/${made.name}`, { model: SERVED }), "model");
    refused(await as(alice, "PATCH", `/v1/${made.name}`, { deployment: "x" }), "deployment");
    refused(await as(alice, "PATCH", `/v1/${made.name}`, { serverless: true }), "serverless");
    const masked = await as(alice, "PATCH", `/v1/${made.name}?updateMask=public`, {
      displayName: "not this",
    });
    expect(masked.json).toMatchObject({ displayName: "shown", public: false });
  });
});

describe("a published deployed model", () => {
  it("can be called and seen by every account until it is made private again", async () => {
    const name = await deployment({ enableAddons: true });
    const lora = addon();
    const made = await load(lora, name, { public: true });
    await test.settle();
    const ways = [lora, lora.replace("accounts/", "").replace("models/", ""), `${lora}#${name}`, made.name];
    for (const way of ways) {
      const route = test.orchestrator.resolve(bob.principal, way);
      // A prompt cache that accounts share would let one measure which prompts another has sent.
      expect(route).toMatchObject({ deployment: name, lora: made.name, isolation: "account" });
    }
    expect((await as(bob, "GET", `/v1/${made.name}`)).json).toMatchObject({ public: true, createdBy: "" });
    expect((await get(made.name)).createdBy).toBe("alice@acme.example");
    expect((await as(bob, "GET", PATH)).json.deployedModels.map((one: Json) => one.name)).toEqual([
      made.name,
    ]);
    expect((await as(bob, "PATCH", `/v1/${made.name}`, { public: false })).status).toBe(404);
    expect(test.orchestrator.callable(bob.principal).map(({ id }) => id)).toEqual([lora, SERVED]);
    await as(alice, "PATCH", `/v1/${made.name}`, { public: false });
    for (const way of ways) expect(() => test.orchestrator.resolve(bob.principal, way)).toThrow("not found");
    expect(test.orchestrator.callable(bob.principal).map(({ id }) => id)).toEqual([SERVED]);
  });
});

describe("the owner of a model", () => {
  it("sees where it is deployed, and can't delete it while it is", async () => {
    const lora = addon();
    expect(await test.deployedModels.inUse(lora)).toBeNull();
    const name = await deployment({ enableAddons: true });
    const made = await load(lora, name);
    await test.settle();
    expect(await test.deployedModels.refs(alice.principal, lora)).toEqual([
      { name: made.name, deployment: name, state: "DEPLOYED", default: true, public: false },
    ]);
    expect(await test.deployedModels.refs(bob.principal, lora)).toEqual([]);
    expect(await test.deployedModels.inUse(lora)).toContain(name);
    const base = test.models.add(`accounts/acme/models/base-${++count}`, { isPublic: true });
    await as(bob, "POST", "/v1/accounts/other/deployments", { baseModel: base });
    expect(await test.deployedModels.inUse(base)).toBe(`${base} is deployed.`);
    expect(await test.deployedModels.refs(bob.principal, SERVED)).toEqual([
      expect.objectContaining({
        name: "accounts/fireworks/deployedModels/served",
        default: true,
        public: true,
      }),
    ]);
  });

  it("sees a serverless model as a deployed model of the library, which nobody can change", async () => {
    const name = "/v1/accounts/fireworks/deployedModels/served";
    expect((await as(bob, "GET", name)).json).toMatchObject({
      model: SERVED,
      serverless: true,
      state: "DEPLOYED",
    });
    expect((await as(bob, "DELETE", name)).status).toBe(403);
    refused(await test.call(test.operator.key, "DELETE", name), "settings");
  });
});
