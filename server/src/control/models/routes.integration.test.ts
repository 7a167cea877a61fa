import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectAnswer } from "../../../test/conformance/control-plane-contract.ts";
import { fullModelName } from "../../lib/resource-names.ts";
import { TINY_LLAMA } from "../../model-files/testing.ts";
import type { TestUser } from "../api-keys/testing.ts";
import { loadCatalog } from "./catalog/load-catalog.ts";
import { createModelsService } from "./service.ts";
import { DEFAULT_MODEL, fieldOf, MODELS, type ModelsSetup, startModels } from "./testing.ts";

let t: ModelsSetup;
let carol: TestUser;
let reader: TestUser;
const uses = new Map<string, string>();

beforeAll(async () => {
  t = await startModels();
  t.models.registerReferences({
    inUse: async (name) => uses.get(name) ?? null,
    modelRefs: async (_principal, name) => [
      {
        name: "accounts/acme/deployedModels/d",
        deployment: name,
        state: "DEPLOYED",
        default: true,
        public: false,
      },
    ],
  });
  carol = await t.addUser("acme", "carol", "contributor");
  reader = await t.addUser("acme", "reader", "inference-user");
});
afterAll(() => t.close());

const base = (fields: object = {}) => ({ kind: "HF_BASE_MODEL", ...fields });

describe("createModel", () => {
  test("creates a base model in the state UPLOADING with its creator's address", async () => {
    const model = base({
      displayName: "Mine",
      description: "line\nline",
      githubUrl: "https://github.com/x/y",
    });
    const created = await t.succeed("POST", MODELS, { modelId: "mine", model });
    expectAnswer("createModel", created);
    expect(created).toMatchObject({
      ...model,
      name: "accounts/acme/models/mine",
      state: "UPLOADING",
      status: { code: "OK", message: "" },
      public: false,
      createdBy: "alice@acme.example",
      createTime: "2026-01-01T00:00:00.000Z",
      baseModelDetails: { worldSize: 1, parameterCount: "0" },
      contextLength: 0,
      supportsTools: false,
      precisions: [],
    });
    const fetched = await t.succeed("GET", `${MODELS}/mine`);
    expectAnswer("getModel", fetched);
    expect(fetched).toEqual(created);
    expect(fetched.deployedModelRefs).toHaveLength(1);
    expect(await t.succeed("GET", `${MODELS}/mine?readMask=state,base_model_details.worldSize`)).toEqual({
      state: "UPLOADING",
      baseModelDetails: { worldSize: 1 },
    });
  });

  test("creates an addon by default, which needs a visible base model", async () => {
    const model = {
      peftDetails: { baseModel: "fireworks/smollm2-135m-instruct", r: 8, targetModules: ["q_proj"] },
    };
    const created = await t.succeed("POST", MODELS, { modelId: "addon", model });
    expectAnswer("createModel", created);
    expect(created).toMatchObject({ kind: "HF_PEFT_ADDON", peftDetails: { baseModel: DEFAULT_MODEL, r: 8 } });
    expect(created.baseModelDetails).toBeUndefined();
  });

  test("responds 409 to an id that is taken, and changes nothing", async () => {
    await t.succeed("POST", MODELS, { modelId: "taken", model: base({ displayName: "first" }) });
    const again = await t.call(t.alice.key, "POST", MODELS, { modelId: "taken", model: base() });
    expect([again.status, again.json.code]).toEqual([409, 6]);
    expect((await t.succeed("GET", `${MODELS}/taken`)).displayName).toBe("first");
  });

  test("accepts exactly one of many concurrent requests with the same id", async () => {
    const responses = await Promise.all(
      Array.from({ length: 8 }, () =>
        t.call(t.alice.key, "POST", MODELS, { modelId: "race", model: base() }),
      ),
    );
    expect(responses.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(409)]);
  });

  test.each<[string, object, string]>([
    ["a bad id", { modelId: "Bad_Id", model: base() }, "modelId"],
    ["no id", { model: base() }, "modelId"],
    ["a cluster", { modelId: "x", cluster: "c", model: base() }, "cluster"],
    ["an unknown field", { modelId: "x", model: base({ colour: "red" }) }, "model.colour"],
    ["an unknown kind", { modelId: "x", model: { kind: "GGUF" } }, "model.kind"],
    ["a kind that can't be run", { modelId: "x", model: { kind: "FLUMINA_BASE_MODEL" } }, "model.kind"],
    [
      "an unsupported kind",
      { modelId: "x", model: { kind: "HF_TEFT_ADDON", teftDetails: {} } },
      "model.teftDetails",
    ],
    ["no details of the default kind", { modelId: "x" }, "model.peftDetails.baseModel"],
    ["details of another kind", { modelId: "x", model: base({ peftDetails: {} }) }, "model.peftDetails"],
    ["a long name", { modelId: "x", model: base({ displayName: "n".repeat(64) }) }, "model.displayName"],
    [
      "a name with an invisible character",
      { modelId: "x", model: base({ displayName: "a\u202eb" }) },
      "model.displayName",
    ],
    [
      "a long description",
      { modelId: "x", model: base({ description: "n".repeat(1_000) }) },
      "model.description",
    ],
    [
      "a link with the scheme javascript",
      { modelId: "x", model: base({ huggingFaceUrl: "javascript:alert(1)" }) },
      "model.huggingFaceUrl",
    ],
    ["image input", { modelId: "x", model: base({ supportsImageInput: true }) }, "model.supportsImageInput"],
    ["a negative context", { modelId: "x", model: base({ contextLength: -1 }) }, "model.contextLength"],
    [
      "an unknown style",
      { modelId: "x", model: base({ conversationConfig: { style: "alpaca" } }) },
      "model.conversationConfig.style",
    ],
    [
      "a style without a template",
      { modelId: "x", model: base({ conversationConfig: { style: "jinja" } }) },
      "model.conversationConfig.template",
    ],
    [
      "an unsupported feature",
      { modelId: "x", model: base({ baseModelDetails: { supportsMtp: true } }) },
      "model.baseModelDetails.supportsMtp",
    ],
    [
      "a draft model without a token count",
      { modelId: "x", model: base({ defaultDraftModel: DEFAULT_MODEL }) },
      "model.defaultDraftTokenCount",
    ],
    [
      "a rank below the minimum",
      { modelId: "x", model: { peftDetails: { baseModel: DEFAULT_MODEL, r: 3 } } },
      "model.peftDetails.r",
    ],
    [
      "a rank above the maximum",
      { modelId: "x", model: { peftDetails: { baseModel: DEFAULT_MODEL, r: 65 } } },
      "model.peftDetails.r",
    ],
    [
      "an unknown module",
      { modelId: "x", model: { peftDetails: { baseModel: DEFAULT_MODEL, targetModules: ["lm_head"] } } },
      "model.peftDetails.targetModules",
    ],
    [
      "an addon as the base model",
      { modelId: "x", model: { peftDetails: { baseModel: "accounts/acme/models/addon" } } },
      "model.peftDetails.baseModel",
    ],
  ])("names the field when it refuses %s", async (_, body, field) => {
    const response = await t.call(t.alice.key, "POST", MODELS, body);
    expect([response.status, response.json.code, fieldOf(response)], response.text).toEqual([400, 3, field]);
  });
});

describe("principals of other accounts", () => {
  test("get 404 for a private model, wherever they name it", async () => {
    await t.succeed("POST", MODELS, { modelId: "secret", model: base() });
    const { key } = t.mallory;
    const name = fullModelName({ accountId: "acme", modelId: "secret" });
    const theirs = "/v1/accounts/evil/models";
    const responses = [
      await t.call(key, "GET", `${MODELS}/secret`),
      await t.call(key, "PATCH", `${MODELS}/secret`, { public: true }),
      await t.call(key, "DELETE", `${MODELS}/secret`),
      await t.call(key, "POST", `${MODELS}/secret:getUploadEndpoint`, {
        filenameToSize: { "config.json": "2" },
      }),
      await t.call(key, "GET", `${MODELS}/secret:validateUpload`),
      await t.call(key, "GET", `${MODELS}/secret:getDownloadEndpoint`),
      await t.call(key, "POST", `${MODELS}/secret:prepare`, {}),
      await t.call(key, "POST", `${MODELS}/secret:import`, { awsS3Source: { s3Bucket: "bucket" } }),
      await t.call(key, "POST", theirs, { modelId: "x", model: { peftDetails: { baseModel: name } } }),
      await t.call(key, "POST", theirs, {
        modelId: "x",
        model: base({ defaultDraftModel: name, defaultDraftTokenCount: 2 }),
      }),
      await t.call(key, "POST", `${theirs}/copy:import`, { sourceModel: name }),
    ];
    for (const response of responses) {
      expect(response.status, response.text).toBe(404);
      expect(response.json.message).toBe(`Model ${name} not found.`);
    }
    const missing = await t.call(key, "GET", `${MODELS}/no-such`);
    expect(missing.text.replaceAll("no-such", "secret")).toBe(responses[0]?.text);
    expect((await t.call(key, "GET", MODELS)).json).toEqual({ models: [], nextPageToken: "", totalSize: 0 });
    expect((await t.call(key, "POST", MODELS, { modelId: "x", model: base() })).status).toBe(404);
    expect((await t.call(null, "GET", MODELS)).status).toBe(401);
  });

  test("see a public model without its creator's address, and can't change it or download its files", async () => {
    await t.succeed("POST", MODELS, { modelId: "shown", model: base({ public: true }) });
    const { key } = t.mallory;
    const fetched = await t.call(key, "GET", `${MODELS}/shown`);
    expect(fetched.json).toMatchObject({ public: true, createdBy: "" });
    const { models } = (await t.call(key, "GET", MODELS)).json;
    expect(models.map((model: { name: string }) => model.name)).toEqual(["accounts/acme/models/shown"]);
    expect((await t.call(key, "PATCH", `${MODELS}/shown`, { displayName: "x" })).status).toBe(404);
    expect((await t.call(key, "GET", `${MODELS}/shown:getDownloadEndpoint`)).status).toBe(403);
    await t.succeed("PATCH", `${MODELS}/shown`, { public: false });
    expect((await t.call(key, "GET", `${MODELS}/shown`)).status).toBe(404);
  });

  test("can't change a model either as contributors who did not create it or as readers", async () => {
    await t.succeed("POST", MODELS, { modelId: "alices", model: base() });
    expect((await t.call(carol.key, "POST", MODELS, { modelId: "carols", model: base() })).status).toBe(200);
    expect((await t.call(carol.key, "PATCH", `${MODELS}/carols`, { displayName: "c" })).status).toBe(200);
    expect((await t.call(carol.key, "PATCH", `${MODELS}/alices`, { displayName: "c" })).status).toBe(403);
    expect((await t.call(carol.key, "DELETE", `${MODELS}/alices`)).status).toBe(403);
    expect((await t.call(reader.key, "POST", MODELS, { modelId: "x", model: base() })).status).toBe(403);
    expect((await t.call(reader.key, "GET", `${MODELS}/alices`)).status).toBe(200);
  });
});

describe("the library", () => {
  const LIBRARY = "/v1/accounts/fireworks/models";

  test("contains the catalog, and everyone can list, filter and read it", async () => {
    const list = (await t.call(t.mallory.key, "GET", `${LIBRARY}?pageSize=200`)).json;
    expectAnswer("listModels", list);
    expect(list.totalSize).toBe(
      loadCatalog(t.deps.catalogDir).filter(({ name }) => name.includes("/fireworks/")).length,
    );
    const filter = encodeURIComponent('supportsServerless = true AND state = READY AND name:"smollm2"');
    const { models } = (await t.call(t.mallory.key, "GET", `${LIBRARY}?filter=${filter}`)).json;
    expect(models).toHaveLength(1);
    expect(models[0]).toMatchObject({
      name: DEFAULT_MODEL,
      state: "READY",
      public: true,
      supportsServerless: true,
      supportsTools: true,
      contextLength: 8192,
    });
  });

  test("can be changed by the operator only, and nobody can delete from it", async () => {
    const modelPath = `${LIBRARY}/smollm2-135m-instruct`;
    expect((await t.call(t.mallory.key, "PATCH", modelPath, { displayName: "x" })).status).toBe(403);
    expect((await t.call(t.mallory.key, "POST", LIBRARY, { modelId: "x", model: base() })).status).toBe(403);
    const changed = await t.call(t.operator.key, "PATCH", modelPath, { description: "Small" });
    expect(changed.json, changed.text).toMatchObject({
      description: "Small",
      displayName: "SmolLM2 135M Instruct",
    });
    const response = await t.call(t.operator.key, "DELETE", modelPath);
    expect([response.status, response.json.code]).toEqual([400, 9]);
  });

  test("can be imported into an account as a model of its own", async () => {
    const done = await t.succeed("POST", `${MODELS}/smollm2-135m-instruct:import`, {});
    expectAnswer("importModel", done);
    expect(done).toMatchObject({
      done: true,
      response: { state: "READY", importedFrom: DEFAULT_MODEL, public: false },
    });
    const named = await t.succeed("POST", `${MODELS}/small:import`, { sourceModel: DEFAULT_MODEL });
    expect(named.response.name).toBe("accounts/acme/models/small");
    expect(
      (await t.call(t.alice.key, "POST", `${MODELS}/small:import`, { sourceModel: DEFAULT_MODEL })).status,
    ).toBe(409);
    const none = await t.call(t.alice.key, "POST", `${MODELS}/llama-v3p1-8b-instruct:import`, {});
    expect([none.status, none.json.code]).toEqual([400, 9]);
    expect((await t.call(t.alice.key, "POST", `${MODELS}/no-such:import`, {})).status).toBe(404);
    const { signal } = new AbortController();
    const deployable = await t.models.deployable(t.alice.principal, "acme/small");
    expect(deployable).toMatchObject({
      kind: "base",
      engine: "llama-cpp",
      supportsLora: true,
      supportsChat: true,
    });
    expect(await deployable.fetch({ signal, onPhase() {} })).toBe(process.env["HEARTH_TEST_MODEL"]);
  });

  test("reports weights that can't be fetched without details of the host", async () => {
    const offline = await createModelsService({
      ...t.deps,
      fetchWeights: async () => {
        throw new Error("/root/.cache: nothing there");
      },
    });
    const deployable = await offline.deployable(t.alice.principal, DEFAULT_MODEL);
    const { signal } = new AbortController();
    await expect(deployable.fetch({ signal, onPhase() {} })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.not.stringContaining("/root"),
    });
    await offline.close();
  });

  test("describes a model without weights and refuses to deploy it", async () => {
    const name = "fireworks/llama-v3p1-8b-instruct";
    expect(await t.models.describe(t.mallory.principal, name)).toMatchObject({
      kind: "base",
      contextLength: 131072,
      modelType: "llama",
      parameterCount: 8030261248n,
    });
    await expect(t.models.deployable(t.mallory.principal, name)).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    await expect(t.models.describe(t.mallory.principal, "acme/secret")).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(t.models.describe(t.mallory.principal, "../x")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("updateModel", () => {
  test("changes the fields of the body or of the mask only", async () => {
    const modelPath = `${MODELS}/changing`;
    await t.succeed("POST", MODELS, {
      modelId: "changing",
      model: base({ displayName: "a", description: "b" }),
    });
    t.clock.advance(1_000);
    const changed = await t.succeed("PATCH", modelPath, {
      displayName: "c",
      name: "accounts/evil/models/x",
      state: "READY",
    });
    expectAnswer("updateModel", changed);
    expect(changed).toMatchObject({
      displayName: "c",
      description: "b",
      state: "UPLOADING",
      name: "accounts/acme/models/changing",
    });
    expect(changed.updateTime).not.toBe(changed.createTime);
    const masked = await t.succeed("PATCH", `${modelPath}?updateMask=description,display_name`, {
      displayName: "d",
      public: true,
    });
    expect(masked).toMatchObject({ displayName: "d", description: "", public: false });
    const template = { style: "jinja", template: "{{ messages }}" };
    expect(
      (await t.succeed("PATCH", modelPath, { conversationConfig: template })).conversationConfig,
    ).toEqual(template);
    const nested = await t.succeed("PATCH", `${modelPath}?updateMask=conversationConfig.template`, {
      conversationConfig: { template: "x" },
    });
    expect(nested.conversationConfig).toEqual({ style: "jinja", template: "x" });
    expect(
      (await t.succeed("PATCH", modelPath, { conversationConfig: null })).conversationConfig,
    ).toBeUndefined();
  });

  test("accepts an unchanged resource as its body", async () => {
    await t.succeed("POST", MODELS, {
      modelId: "whole",
      model: base({ baseModelDetails: { modelType: "mine" } }),
    });
    const read = await t.succeed("GET", `${MODELS}/whole`);
    const { updateTime: _, ...same } = await t.succeed("PATCH", `${MODELS}/whole`, {
      ...read,
      displayName: "new",
    });
    expect(same).toEqual({ ...read, displayName: "new", updateTime: undefined });
  });

  test.each<[string, object, string]>([
    ["the kind", { kind: "HF_PEFT_ADDON" }, "kind"],
    ["the details", { baseModelDetails: { worldSize: 2 } }, "baseModelDetails"],
    ["an unknown path", { colour: "red" }, "colour"],
  ])("refuses to change %s", async (_, body, field) => {
    const response = await t.call(t.alice.key, "PATCH", `${MODELS}/mine`, body);
    expect([response.status, fieldOf(response)], response.text).toEqual([400, field]);
  });

  test("keeps the changes of all concurrent requests", async () => {
    await t.succeed("POST", MODELS, { modelId: "shared", model: base() });
    await Promise.all([
      t.succeed("PATCH", `${MODELS}/shared`, { displayName: "a" }),
      t.succeed("PATCH", `${MODELS}/shared`, { description: "b" }),
      t.succeed("PATCH", `${MODELS}/shared`, { githubUrl: "https://c.example" }),
      t.succeed("PATCH", `${MODELS}/shared`, { supportsTools: true }),
    ]);
    expect(await t.succeed("GET", `${MODELS}/shared`)).toMatchObject({
      displayName: "a",
      description: "b",
      githubUrl: "https://c.example",
      supportsTools: true,
    });
  });
});

describe("the collection", () => {
  test("is paged, filtered and sorted as requested", async () => {
    const ids = ["p1", "p2", "p3", "p4", "p5"];
    for (const [i, modelId] of ids.entries()) {
      t.clock.advance(1_000);
      await t.succeed("POST", MODELS, {
        modelId,
        model: base({ description: "paged", contextLength: 100 - i }),
      });
    }
    const listed: string[] = [];
    let pageToken = "";
    do {
      const query = new URLSearchParams({
        pageSize: "2",
        filter: "description = paged AND kind = HF_BASE_MODEL",
        orderBy: "contextLength",
        pageToken,
      });
      const page = await t.succeed("GET", `${MODELS}?${query}`);
      expectAnswer("listModels", page);
      expect(page.totalSize).toBe(5);
      listed.push(...page.models.map((model: { name: string }) => model.name.split("/").at(-1)));
      expect(
        page.models.every((model: { deployedModelRefs: [] }) => model.deployedModelRefs.length === 0),
      ).toBe(true);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(listed).toEqual(ids.toReversed());
    for (const filter of [
      "baseModelDetails.parameterCount >= 1000 OR peftDetails.r = 8",
      'peftDetails.baseModel = "accounts/fireworks/models/smollm2-135m-instruct"',
      'create_time > "2025-01-01T00:00:00Z" AND NOT public = true',
    ]) {
      const { models } = await t.succeed("GET", `${MODELS}?filter=${encodeURIComponent(filter)}`);
      expect(models.length, filter).toBeGreaterThan(0);
    }
  });

  test("keeps a model while it is deployed, and lets it be deleted afterwards", async () => {
    await t.succeed("POST", MODELS, { modelId: "used", model: base() });
    uses.set("accounts/acme/models/used", "Model used is deployed on accounts/acme/deployments/d.");
    const response = await t.call(t.alice.key, "DELETE", `${MODELS}/used`);
    expect([response.status, response.json.code, response.json.message]).toEqual([
      400,
      9,
      uses.get("accounts/acme/models/used"),
    ]);
    uses.clear();
    expect(await t.succeed("DELETE", `${MODELS}/used`)).toEqual({});
    expect((await t.call(t.alice.key, "GET", `${MODELS}/used`)).status).toBe(404);
    expect((await t.call(t.alice.key, "DELETE", `${MODELS}/used`)).status).toBe(404);
  });
});

describe("model versions", () => {
  test("store how a READY model looked, are counted, and are deleted with the model", async () => {
    await t.succeed("POST", `${MODELS}/versioned:import`, { sourceModel: DEFAULT_MODEL });
    const modelPath = `${MODELS}/versioned`;
    const created = await t.succeed("POST", `${modelPath}/versions?versionId=v1`, {});
    expectAnswer("createModelVersion", created);
    expect(created).toMatchObject({
      name: "accounts/acme/models/versioned/versions/v1",
      snapshot: { state: "READY" },
    });
    expect((await t.call(t.alice.key, "POST", `${modelPath}/versions?versionId=v1`, {})).status).toBe(409);
    await t.succeed("POST", `${modelPath}/versions`);
    expect(await t.succeed("GET", `${modelPath}/versions:count`)).toEqual({ count: 2 });
    expect((await t.call(t.mallory.key, "GET", `${modelPath}/versions:count`)).status).toBe(404);
    const deploy = (version: string, deployment: string) =>
      t.call(t.alice.key, "POST", `${modelPath}/versions/${version}:deploy`, {
        deployment,
        rolloutStrategy: "ROLLOUT_STRATEGY_STANDARD",
      });
    // The fake of `modelRefs` above reports each model as deployed on a deployment with the model's name.
    const done = await deploy("v1", "accounts/acme/models/versioned");
    expectAnswer("deployModelVersion", done.json);
    expect((await deploy("v2", "accounts/acme/models/versioned")).status).toBe(404);
    const elsewhere = await deploy("v1", "accounts/acme/deployments/other");
    expect([elsewhere.status, fieldOf(elsewhere)]).toEqual([400, "deployment"]);
    await t.succeed("POST", MODELS, { modelId: "unversioned", model: base() });
    expect((await t.call(t.alice.key, "POST", `${MODELS}/unversioned/versions`, {})).json.code).toBe(9);
    await t.succeed("DELETE", modelPath);
    await t.succeed("POST", `${MODELS}/versioned:import`, { sourceModel: DEFAULT_MODEL });
    expect(await t.succeed("GET", `${modelPath}/versions:count`)).toEqual({ count: 0 });
  });
});

describe("validateModelConfig", () => {
  const config = (fields: object = {}) => ({ configJson: JSON.stringify({ ...TINY_LLAMA, ...fields }) });

  test("accepts a configuration that a model can run with", async () => {
    const tokenizerConfigJson = JSON.stringify({ chat_template: "{{ messages }}" });
    const done = await t.succeed("POST", "/v1/validateModelConfig", { ...config(), tokenizerConfigJson });
    expectAnswer("validateModelConfig", done);
  });

  test.each<[object, string]>([
    [{ configJson: "<html>" }, "configJson"],
    [config({ architectures: ["MambaForCausalLM"] }), "configJson"],
    [config({ hidden_size: -1 }), "configJson"],
    [{ ...config(), tokenizerConfigJson: "[" }, "tokenizerConfigJson"],
    [{ ...config(), tokenizerConfigJson: '{"chat_template": "{% if %}"}' }, "tokenizerConfigJson"],
    [{}, "configJson"],
  ])("names the text with the fault when it refuses %j", async (body, field) => {
    const response = await t.call(t.alice.key, "POST", "/v1/validateModelConfig", body);
    expect([response.status, fieldOf(response)], response.text).toEqual([400, field]);
    expect(response.text).not.toContain("/tmp");
  });
});
