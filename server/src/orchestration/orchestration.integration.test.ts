import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { until } from "../../test/harness/hearth.ts";
import type { TestUser } from "../control/api-keys/testing.ts";
import type { DeployedModelRow } from "../control/deployed-models/service.ts";
import { EngineError } from "../engine/errors.ts";
import { addWork } from "../platform/reconcile/reconciler.ts";
import { RouteTable } from "./route-table.ts";
import {
  LIBRARY,
  type OrchestrationTest,
  OWN_FALLBACK,
  SERVED,
  startOrchestration,
  TestFleet,
  UNSERVED,
} from "./testing.ts";

let test: OrchestrationTest;
let alice: TestUser;
let bob: TestUser;

beforeAll(async () => {
  test = await startOrchestration();
  alice = await test.addUser("acme", "alice", "user");
  bob = await test.addUser("other", "bob", "user");
});
afterAll(() => test.close());
beforeEach(() => test.fleet.reset());

async function deploy(user: TestUser, body: object): Promise<string> {
  const account = user.principal.accountId;
  const made = await test.call(user.key, "POST", `/v1/accounts/${account}/deployments`, body);
  expect(made.status, made.text).toBe(200);
  await test.settle();
  return made.json.name;
}

const resolve = (user: TestUser, name: string) => test.orchestrator.resolve(user.principal, name);
const shortOf = (name: string): string => name.replace(/^accounts\/([^/]+)\/\w+\//, "$1/");

describe("a suspended account", () => {
  it("runs no replicas until the suspension ends; other accounts' replicas run on", async () => {
    const deployed = await deploy(alice, { baseModel: LIBRARY });
    const other = await deploy(bob, { baseModel: LIBRARY });
    test.suspended.add("acme");
    await test.settle();
    expect([deployed, other].map((id) => test.fleet.specs.get(id)?.fixedReplicas)).toEqual([0, null]);
    test.suspended.clear();
    await test.settle();
    expect(test.fleet.specs.get(deployed)?.fixedReplicas).toBeNull();
    for (const [user, name] of [
      [alice, deployed],
      [bob, other],
    ] as const) {
      expect((await test.call(user.key, "DELETE", `/v1/${name}`)).status).toBe(200);
    }
    await test.settle();
  });
});

describe("a change", () => {
  it("reloads the rows of its own account alone; other accounts' routes and replicas stay", async () => {
    const other = await deploy(bob, { baseModel: LIBRARY });
    const looks = [vi.spyOn(test.deployments.store, "live"), vi.spyOn(test.deployedModels.store, "live")];
    const body = { baseModel: LIBRARY };
    const made = await test.call(alice.key, "POST", "/v1/accounts/acme/deployments", body);
    expect(resolve(alice, `${LIBRARY}#${made.json.name}`).deployment).toBe(made.json.name);
    for (const look of looks) {
      expect(look.mock.calls.length).toBeGreaterThan(0);
      for (const [accounts] of look.mock.calls) expect(accounts).toEqual(new Set(["acme"]));
      look.mockRestore();
    }
    expect(resolve(bob, `${LIBRARY}#${other}`).deployment).toBe(other);
    expect(test.fleet.specs.has(other)).toBe(true);
    await test.call(alice.key, "DELETE", `/v1/${made.json.name}`);
    await test.call(bob.key, "DELETE", `/v1/${other}`);
    await test.settle();
  });
});

describe("names", () => {
  it("that join a model and a deployment, full or short, lead to the deployment and are billed by the full name", async () => {
    const deployment = await deploy(alice, { baseModel: LIBRARY });
    for (const model of [LIBRARY, shortOf(LIBRARY)]) {
      for (const deploymentPart of [deployment, shortOf(deployment)]) {
        expect(resolve(alice, `${model}#${deploymentPart}`)).toEqual({
          model: `${LIBRARY}#${deployment}`,
          deployment,
          isolation: "deployment",
          sessionAffinity: false,
          fallbackUsed: false,
          chatTemplate: null,
        });
      }
    }
    expect(resolve(alice, LIBRARY)).toMatchObject({ model: LIBRARY, deployment });
    expect(resolve(alice, shortOf(LIBRARY))).toMatchObject({ model: LIBRARY, deployment });
  });

  it("that are a served library model's mean the library's; with the deployment they mean the account's own", async () => {
    const deployment = await deploy(alice, { baseModel: SERVED });
    for (const name of [SERVED, shortOf(SERVED), "gpt", `${SERVED}#accounts/fireworks/deployments/served`]) {
      expect(resolve(alice, name), name).toMatchObject({ deployment: SERVED, isolation: "account" });
    }
    expect(resolve(alice, `${SERVED}#${deployment}`).deployment).toBe(deployment);
  });

  it("that are a library model's mean each account's own deployment when several accounts deploy it", async () => {
    const model = test.models.add("accounts/fireworks/models/popular");
    const [hers, his] = [await deploy(alice, { baseModel: model }), await deploy(bob, { baseModel: model })];
    expect(resolve(alice, model).deployment).toBe(hers);
    expect(resolve(bob, model).deployment).toBe(his);
    expect(() => resolve(bob, `${model}#${hers}`)).toThrow("not found");
    const carl = await test.addUser("third", "carl", "admin");
    expect(() => resolve(carl, model)).toThrow("not found");
  });

  it("of a library model that is not served lead to the own fallback model, for those who may call it", async () => {
    expect(() => resolve(alice, UNSERVED)).toThrow("nor the fallback model");
    const deployment = await deploy(alice, { baseModel: test.models.add(OWN_FALLBACK) });
    expect(resolve(alice, UNSERVED)).toMatchObject({
      model: OWN_FALLBACK,
      deployment,
      fallbackUsed: true,
      dropsUnsupported: true,
    });
    expect(resolve(alice, OWN_FALLBACK)).toMatchObject({ deployment, fallbackUsed: false });
    expect(() => resolve(bob, UNSERVED)).toThrow("nor the fallback model");
  });

  it("that don't exist and names that are private to others get the same error", async () => {
    const deployment = await deploy(alice, { baseModel: LIBRARY });
    const own = (await test.call(alice.key, "GET", "/v1/accounts/acme/deployedModels")).json.deployedModels[0]
      .name;
    const message = (name: string): string => {
      try {
        resolve(bob, name);
      } catch (error) {
        expect(error).toMatchObject({ code: "NOT_FOUND", param: "model" });
        return (error as Error).message;
      }
      throw new Error(`${name} is found`);
    };
    for (const name of [
      `${LIBRARY}#${deployment}`,
      `${LIBRARY}#accounts/acme/deployments/nothing`,
      own,
      "accounts/acme/deployedModels/nothing",
      "nothing",
      "#",
      "a#b#c",
      "",
      "x".repeat(512),
    ]) {
      expect(message(name)).toMatch(/^Model not found, inaccessible, and\/or not deployed: /);
    }
  });

  it("are the only texts that resolve: any other text is answered as not found", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a#/.]{0,20}$/)), (name) => {
        expect(() => resolve(bob, name)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
      }),
    );
  });

  it("all fail with the reason of their failed deployment", async () => {
    test.fleet.startError = new EngineError("invalid", "The weights file is damaged.");
    const made = await test.call(alice.key, "POST", "/v1/accounts/acme/deployments", {
      baseModel: test.models.add("accounts/acme/models/broken"),
    });
    const { name } = made.json;
    await test.settle();
    await test.fleet.pass(10_000);
    test.clock.advance(1_000);
    await test.settle();
    for (const form of ["acme/broken", `acme/broken#${shortOf(name)}`]) {
      expect(() => resolve(alice, form)).toThrow(
        expect.objectContaining({ code: "FAILED_PRECONDITION", message: "The weights file is damaged." }),
      );
    }
  });

  it("resolve to a route with the chat template of their model", async () => {
    const model = test.models.add("accounts/acme/models/templated", { chatTemplate: "{{ messages }}" });
    await deploy(alice, { baseModel: model });
    expect(resolve(alice, model).chatTemplate).toBe("{{ messages }}");
  });

  it("in the list of callable models appear once each, in the shortest unambiguous form", async () => {
    const model = test.models.add("accounts/acme/models/twice", {
      displayName: "Twice",
      supportsTools: true,
    });
    const [, second] = [await deploy(alice, { baseModel: model }), await deploy(alice, { baseModel: model })];
    const entries = test.orchestrator.callable(alice.principal).filter(({ id }) => id.startsWith(model));
    expect(entries.map(({ id }) => id)).toEqual([model, `${model}#${second}`]);
    expect(entries[0]).toMatchObject({ owned_by: "acme", supports_tools: true, context_length: 4096 });
    expect(test.orchestrator.describe(alice.principal, shortOf(model))).toEqual(entries[0]);
    const [own] = (await test.call(alice.key, "GET", "/v1/accounts/acme/deployedModels?pageSize=1")).json
      .deployedModels;
    expect(test.orchestrator.describe(alice.principal, own.name)).toMatchObject({
      id: own.name,
      supports_tools: true,
    });
    expect(() => test.orchestrator.describe(bob.principal, model)).toThrow("not found");
    expect(test.orchestrator.callable(bob.principal).map(({ id }) => id)).not.toContain(model);
  });
});

describe("several processes", () => {
  it("see each other's deployments and addons, and run and route them too", async () => {
    const fleet = new TestFleet();
    const other = test.another(fleet);
    await other.start();
    try {
      const deployment = await deploy(alice, { baseModel: LIBRARY, enableAddons: true });
      await until("the other has it", () => fleet.specs.has(deployment));
      const lora = test.models.add("accounts/acme/models/heard", { baseModel: LIBRARY });
      const made = await test.call(alice.key, "POST", "/v1/accounts/acme/deployedModels", {
        model: lora,
        deployment,
      });
      await until("the addon", () => fleet.specs.get(deployment)?.loras.length === 1);
      const known = () => {
        try {
          return other.resolve(alice.principal, lora);
        } catch {
          return null;
        }
      };
      expect(await until("its route", known)).toMatchObject({ deployment, lora: made.json.name });
      await test.call(alice.key, "DELETE", `/v1/${deployment}?ignoreChecks=true`);
      await test.settle();
      await until("its end", () => !fleet.specs.has(deployment));
    } finally {
      await other.close();
    }
  });
});

describe("a deployment that the fleet can't apply", () => {
  const IMPOSSIBLE = "accounts/acme/models/impossible";
  const reasonOf = (name: string): string => `${name}: there is no engine missing.`;
  const get = async (name: string) => (await test.call(alice.key, "GET", `/v1/${name}`)).json;

  it("fails with the reason, harms no other, and runs when it is undeleted on a host that can", async () => {
    test.fleet.modelsWithoutEngine.add(test.models.add(IMPOSSIBLE));
    const impossible = await deploy(alice, { baseModel: IMPOSSIBLE });
    const fine = await deploy(alice, { baseModel: LIBRARY });
    expect(test.fleet.specs.has(fine)).toBe(true);
    expect((await get(fine)).state).toBe("READY");
    const message = reasonOf(impossible);
    expect(await get(impossible)).toMatchObject({
      state: "FAILED",
      status: { code: "FAILED_PRECONDITION", message },
    });
    const { json } = await test.call(alice.key, "GET", `/v1/${impossible}/terminationMessage`);
    expect(json).toEqual({ message });
    expect(() => resolve(alice, `${IMPOSSIBLE}#${impossible}`)).toThrow(
      expect.objectContaining({ code: "FAILED_PRECONDITION", message }),
    );
    await test.fleet.reset();
    await test.call(alice.key, "POST", `/v1/${impossible}:undelete`, {});
    await test.settle();
    expect((await get(impossible)).state).toBe("READY");
  });

  it("hides what an error that is not public says", async () => {
    const model = test.models.add("accounts/acme/models/unlucky");
    const { engineFor } = test.fleet;
    test.fleet.engineFor = () => {
      throw new Error("ENOENT /etc/secret");
    };
    const name = await deploy(alice, { baseModel: model });
    test.fleet.engineFor = engineFor;
    expect((await get(name)).status.message).toBe(
      "The deployment can't be run here; the server's log says why.",
    );
  });

  it("keeps its old replicas in service when only an update can't be applied, and says why", async () => {
    const model = test.models.add("accounts/acme/models/updated");
    const name = await deploy(alice, { baseModel: model });
    test.fleet.modelsWithoutEngine.add(model);
    await test.call(alice.key, "PATCH", `/v1/${name}`, { maxContextLength: 1024 });
    await test.settle();
    const status = { code: "FAILED_PRECONDITION", message: reasonOf(name) };
    expect(await get(name)).toMatchObject({ state: "UPDATING", status, replicaCount: 1 });
    expect(resolve(alice, model).deployment).toBe(name);
    await test.fleet.reset();
    test.clock.advance(300_000);
    await test.settle();
    expect(await get(name)).toMatchObject({ state: "READY", status: { code: "OK", message: "" } });
  });

  it("stays READY and refuses requests with the reason when it was READY before the server's settings changed", async () => {
    const model = test.models.add("accounts/acme/models/resettled");
    const name = await deploy(alice, { baseModel: model });
    const fleet = new TestFleet();
    fleet.modelsWithoutEngine.add(model);
    const restarted = test.another(fleet);
    await restarted.refresh();
    await addWork(
      test.database.db,
      "deployment",
      [name.replace(/^accounts\/|deployments\//g, "")],
      test.clock.now(),
    );
    await restarted.tick();
    const status = { code: "FAILED_PRECONDITION", message: reasonOf(name) };
    expect(await get(name)).toMatchObject({ state: "READY", status });
    expect(() => restarted.resolve(alice.principal, model)).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE", message: reasonOf(name) }),
    );
    await restarted.close();
  });
});

describe("the route table", () => {
  const row = (overrides: Partial<DeployedModelRow>): DeployedModelRow => ({
    accountId: "a",
    id: "x",
    model: LIBRARY,
    servedModel: LIBRARY,
    deployment: "accounts/a/deployments/d",
    serverless: true,
    isAddon: true,
    isMerged: false,
    isDefault: true,
    isPublic: false,
    isHidden: false,
    state: "DEPLOYED",
    statusCode: "",
    statusMessage: "",
    displayName: "",
    description: "",
    createdBy: "",
    createTime: new Date(0),
    updateTime: new Date(0),
    lastUsedTime: new Date(0),
    ...overrides,
  });

  it("lets an account reach its own and public deployed models alone, whatever others load", () => {
    const accounts = fc.constantFrom("a", "b", "c");
    const models = fc.constantFrom(
      "accounts/a/models/m",
      "accounts/b/models/m",
      "accounts/fireworks/models/m",
    );
    const rows = fc.uniqueArray(
      fc.record({
        accountId: accounts,
        model: models,
        isPublic: fc.boolean(),
        deployment: fc.constantFrom("d", "e"),
      }),
      {
        selector: ({ accountId, model, deployment }) => `${accountId} ${model} ${deployment}`,
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(rows, accounts, (some, accountId) => {
        const listedNames = new Set<string>();
        const deployedModels = some.map((one, i) => {
          const isDefault = !listedNames.has(`${one.accountId} ${one.model}`);
          listedNames.add(`${one.accountId} ${one.model}`);
          const deployment = `accounts/fireworks/deployments/${one.deployment}`;
          return row({ ...one, id: `x${i}`, isDefault, deployment, servedModel: one.deployment });
        });
        const table = new RouteTable({
          deployments: new Map(),
          deployedModels,
          served: new Set(),
          chatTemplates: new Map(),
          lastUses: new Map(),
        });
        const principal = { ...bob.principal, accountId };
        const mayUse = deployedModels.filter((one) => one.isPublic || one.accountId === accountId);
        const reached = (name: string) => table.find(principal, name, test.clock)?.lora;
        for (const entry of deployedModels) {
          const name = `accounts/${entry.accountId}/deployedModels/${entry.id}`;
          expect(reached(name) === name).toBe(mayUse.includes(entry));
          const onDeployment = reached(`${entry.model}#${entry.deployment}`);
          const ofOwn = mayUse.filter(
            ({ model, deployment }) => model === entry.model && deployment === entry.deployment,
          );
          const names = ofOwn.map(({ accountId, id }) => `accounts/${accountId}/deployedModels/${id}`);
          expect(onDeployment === undefined ? names.length === 0 : names.includes(onDeployment)).toBe(true);
          const own = deployedModels.find(
            (x) => x.accountId === accountId && x.model === entry.model && x.isDefault,
          );
          if (own !== undefined)
            expect(reached(entry.model)).toBe(`accounts/${accountId}/deployedModels/${own.id}`);
          else
            expect([
              undefined,
              ...mayUse.map(({ accountId, id }) => `accounts/${accountId}/deployedModels/${id}`),
            ]).toContain(reached(entry.model));
        }
      }),
    );
  });
});
