import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, MODEL, startHearth, until } from "../harness/hearth.ts";
import { type HttpResponse, type Json, post, send } from "../harness/http.ts";
import { uploadTinyAddon, uploadTinyModel } from "../harness/models.ts";
import {
  type CallOptions,
  call,
  expectAllExercised,
  expectRefusal,
  succeed,
} from "./control-plane-contract.ts";

let hearth: Hearth;
let base: string;
let addons: string[];
const account = { account_id: "local" };

beforeAll(async () => {
  hearth = await startHearth();
  base = await uploadTinyModel(hearth, "local", "tiny");
  addons = [
    await uploadTinyAddon(hearth, "local", "lora-one", base, { seed: 3 }),
    await uploadTinyAddon(hearth, "local", "lora-two", base, { seed: 4 }),
  ];
});

const one = (id: string) => ({ ...account, deployment_id: id });
const nameOf = (id: string): string => `accounts/local/deployments/${id}`;
const get = (id: string): Promise<Json> => succeed(hearth, "getDeployment", { params: one(id) });

async function create(id: string, body: object = {}, query: CallOptions["query"] = {}): Promise<Json> {
  return succeed(hearth, "createDeployment", {
    params: account,
    query: { deploymentId: id, ...query },
    body: { baseModel: base, ...body },
  });
}

const inState = (id: string, state: string): Promise<Json> =>
  until(`${id} ${state}`, async () => {
    const deployment = await get(id);
    expect(deployment.state, JSON.stringify(deployment.status)).not.toBe("FAILED");
    return deployment.state === state && deployment;
  });

async function deployed(id: string, body: object = {}): Promise<void> {
  await create(id, body);
  await inState(id, "READY");
}

const complete = (model: string, path = "/inference/v1/completions"): Promise<HttpResponse> =>
  post(hearth, path, { model, prompt: "the then there", max_tokens: 12, temperature: 0 });

async function textOf(model: string): Promise<string> {
  const response = await complete(model);
  expect(response.status, response.text).toBe(200);
  return response.json.choices[0].text;
}

async function load(model: string, deployment?: string, query: CallOptions["query"] = {}): Promise<Json> {
  const body = { model, ...(deployment === undefined ? {} : { deployment: nameOf(deployment) }) };
  const made = await succeed(hearth, "createDeployedModel", { params: account, query, body });
  const params = { ...account, deployed_model_id: made.name.split("/")[3] };
  return until(`${model} is loaded`, async () => {
    const now = await succeed(hearth, "getDeployedModel", { params });
    expect(now.status.message).toBe("");
    return now.state === "DEPLOYED" && now;
  });
}

const unload = (deployedModel: Json): Promise<Json> =>
  succeed(hearth, "deleteDeployedModel", {
    params: { ...account, deployed_model_id: deployedModel.name.split("/")[3] },
  });

/** Deletes the deployment permanently and waits until it is gone. */
async function removed(id: string): Promise<void> {
  await succeed(hearth, "deleteDeployment", { params: one(id), query: { hard: true, ignoreChecks: true } });
  const isGone = async () => (await call(hearth, "getDeployment", { params: one(id) })).status === 404;
  await until(`${id} is gone`, isGone);
}

describe("a deployment", () => {
  test("is created, answers to all of its names, is scaled, updated, deleted and undeleted", async () => {
    const made = await create("whole", { maxReplicaCount: 2, displayName: "Whole" });
    expect(made).toMatchObject({ name: nameOf("whole"), state: "CREATING", displayName: "Whole" });
    expect(await inState("whole", "READY")).toMatchObject({ replicaCount: 1, desiredReplicaCount: 1 });

    const [own] = (await succeed(hearth, "listDeployedModels", { params: account })).deployedModels;
    expect(own).toMatchObject({ model: base, deployment: nameOf("whole"), state: "DEPLOYED", default: true });
    const text = await textOf(`${base}#${nameOf("whole")}`);
    for (const name of [
      `${base}#local/whole`,
      `local/tiny#${nameOf("whole")}`,
      "local/tiny#local/whole",
      own.name,
      base,
      "local/tiny",
    ]) {
      expect(await textOf(name), name).toBe(text);
    }
    const { data } = (await send(hearth, "/inference/v1/models")).json;
    expect(data.map((model: Json) => model.id)).toContain(base);
    expect(
      (await send(hearth, "/inference/v1/models/local/tiny#local/whole".replace("#", "%23"))).json,
    ).toMatchObject({
      owned_by: "local",
      context_length: 512,
    });

    await succeed(hearth, "scaleDeployment", { params: one("whole"), body: { replicaCount: 0 } });
    await until("no replica", async () => (await get("whole")).replicaCount === 0);
    const refused = await complete(base);
    expect([refused.status, Number(refused.headers["retry-after"]) > 0]).toEqual([503, true]);
    const changed = await succeed(hearth, "updateDeployment", {
      params: one("whole"),
      body: { minReplicaCount: 1, description: "scaled by hand no more" },
    });
    expect(changed).toMatchObject({ minReplicaCount: 1, maxReplicaCount: 2, displayName: "Whole" });
    await until("a replica", async () => (await get("whole")).replicaCount === 1);
    expect(await textOf(base)).toBe(text);

    await succeed(hearth, "deleteDeployment", { params: one("whole") });
    expect((await complete(`${base}#${nameOf("whole")}`)).status).toBe(404);
    expect(await inState("whole", "DELETED")).toHaveProperty("purgeTime");
    const { deployments } = await succeed(hearth, "listDeployments", { params: account });
    expect(deployments).toEqual([]);
    const all = await succeed(hearth, "listDeployments", { params: account, query: { showDeleted: true } });
    expect(all.deployments).toMatchObject([{ name: nameOf("whole"), state: "DELETED" }]);
    await succeed(hearth, "undeleteDeployment", { params: one("whole"), body: {} });
    await inState("whole", "READY");
    expect(await textOf(base)).toBe(text);
    await removed("whole");
  });

  test("reports metrics, shards, events and ledger rows", async () => {
    await deployed("watched");
    await textOf(base);
    await until("the request in its metrics", async () => {
      const { metrics } = await succeed(hearth, "getDeploymentMetrics", { params: one("watched") });
      return metrics.requests === 1 && metrics.generated_tokens > 0;
    });
    const { deploymentShards } = await succeed(hearth, "listDeploymentShards", { params: one("watched") });
    expect(deploymentShards).toMatchObject([{ state: "READY", replicaStats: { readyReplicaCount: 1 } }]);
    expect(await succeed(hearth, "getLedger", { params: one("watched") })).toEqual({ ledger: [] });
    expect(await succeed(hearth, "resetLedger", { params: one("watched") })).toEqual({});
    expect(await succeed(hearth, "getTerminationMessage", { params: one("watched") })).toEqual({
      message: "",
    });
    const { events } = (await send(hearth, `/v1/${nameOf("watched")}/events`)).json;
    expect(events.map((event: Json) => event.type)).toEqual(
      expect.arrayContaining(["CREATED", "STATE", "REPLICAS"]),
    );
    await removed("watched");
  });

  test("is rolled over to other replicas without a failed request", async () => {
    await deployed("rolled", { minReplicaCount: 1 });
    let over = false;
    const statuses = new Set<number>();
    const asking = (async () => {
      while (!over) statuses.add((await complete(base)).status);
    })();
    await succeed(hearth, "updateDeployment", { params: one("rolled"), body: { maxContextLength: 256 } });
    await inState("rolled", "READY");
    over = true;
    await asking;
    expect([...statuses]).toEqual([200]);
    await removed("rolled");
  });

  test("that asks for hardware the host does not have reports that", async () => {
    await create("gpus", { acceleratorType: "NVIDIA_H100_80GB" });
    const waiting = await until("word of it", async () => {
      const now = await get("gpus");
      return now.status.message !== "" && now;
    });
    expect(waiting).toMatchObject({
      state: "CREATING",
      status: { code: "RESOURCE_EXHAUSTED" },
      replicaCount: 0,
    });
    expect(waiting.status.message).toContain("no accelerators");
    await removed("gpus");
  });

  test("has a direct route with keys of its own", async () => {
    const key = "direct-key-0123456789";
    await deployed("direct", { directRouteType: "INTERNET", directRouteApiKeys: [key] });
    const { directRouteHandle, directRouteApiKeys } = await get("direct");
    expect(directRouteHandle).toBe(`127.0.0.1:${hearth.port}/direct/local/direct`);
    expect(directRouteApiKeys).toEqual([expect.not.stringContaining("key-0123")]);
    const path = "/direct/local/direct/v1/completions";
    const ask = (apiKey: string | null, to = path) =>
      post({ port: hearth.port, apiKey }, to, { model: base, prompt: "the" });
    expect((await ask(key)).status).toBe(200);
    expect((await ask(hearth.apiKey)).status).toBe(401);
    expect((await ask(null)).status).toBe(401);
    expect((await ask(key, "/inference/v1/completions")).status).toBe(401);
    expect((await ask(key, "/direct/local/direct/v1/accounts")).status).toBe(404);
    expect((await send({ port: hearth.port, apiKey: key }, path)).status).toBe(405);
    await removed("direct");
  });

  test("keeps its model from being deleted", async () => {
    await create("needs");
    const response = await call(hearth, "deleteModel", { params: { ...account, model_id: "tiny" } });
    expectRefusal(response, "FAILED_PRECONDITION", null);
    const { deployedModelRefs } = await succeed(hearth, "getModel", {
      params: { ...account, model_id: "tiny" },
    });
    expect(deployedModelRefs).toMatchObject([{ deployment: nameOf("needs"), default: true }]);
    await removed("needs");
  });
});

describe("LoRA addons", () => {
  test("share a deployment and answer differently, and are gone when unloaded", async () => {
    await deployed("shared", { enableAddons: true });
    const plain = await textOf(base);
    const loaded = [await load(addons[0]!, "shared"), await load(addons[1]!, "shared")];
    const texts = [await textOf(addons[0]!), await textOf(addons[1]!)];
    expect(new Set([plain, ...texts]).size).toBe(3);
    expect(await textOf(`${addons[0]}#${nameOf("shared")}`)).toBe(texts[0]);
    expect(await textOf(loaded[1].name)).toBe(texts[1]);
    expect(await textOf(base)).toBe(plain);
    const shown = await succeed(hearth, "updateDeployedModel", {
      params: { ...account, deployed_model_id: loaded[0].name.split("/")[3] },
      body: { displayName: "First", public: true },
    });
    expect(shown).toMatchObject({ displayName: "First", public: true, default: true });
    await unload(loaded[0]);
    expect((await complete(addons[0]!)).status).toBe(404);
    expect(await textOf(addons[1]!)).toBe(texts[1]);
    await removed("shared");
  });

  test("can be deployed alone on their base model's weights", async () => {
    await deployed("plain");
    const plain = await textOf(base);
    await removed("plain");
    await deployed("alone", { baseModel: addons[0] });
    const text = await textOf(addons[0]!);
    expect(text).not.toBe(plain);
    expect((await complete(`${base}#${nameOf("alone")}`)).status).toBe(404);
    await removed("alone");
  });

  test("can be merged, and be replaced by another while requests go on", async () => {
    await deployed("hot", { enableHotReloadLatestAddon: true });
    const model = `${base}#${nameOf("hot")}`;
    const plain = await textOf(model);
    const changed = (from: string) =>
      until("another text", async () => {
        const text = await textOf(model);
        return text !== from && text;
      });
    await load(addons[0]!, "hot");
    const first = await changed(plain);
    await load(addons[1]!, "hot", { replaceMergedAddon: true });
    const second = await changed(first);
    expect(new Set([plain, first, second]).size).toBe(3);
    await removed("hot");
  });

  test("run serverless on a model of the library, and answer to their own name", async () => {
    const { SMOLLM2_135M_SHAPE } = await import("../../src/model-files/testing.ts");
    const addon = await uploadTinyAddon(hearth, "local", "lora-smol", MODEL, {
      seed: 5,
      shape: SMOLLM2_135M_SHAPE,
    });
    const plain = await textOf(MODEL);
    const loaded = await load(addon);
    expect(loaded).toMatchObject({ serverless: true, default: true });
    expect(await textOf(addon)).not.toBe(plain);
    expect(await textOf(MODEL)).toBe(plain);
    await unload(loaded);
    await until("it is unloaded", async () => (await complete(addon)).status === 404);
  });
});

describe("every operation", () => {
  test("of deployments and deployed models was exercised", () => {
    expectAllExercised("deployments");
    expectAllExercised("deployedModels");
  });
});
