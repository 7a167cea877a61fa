import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { writeTinyLora, writeTinyModel } from "../../../server/src/model-files/testing.ts";
import { type Hearth, MODEL, startHearth } from "../../../server/test/harness/hearth.ts";
import { pause } from "../src/client/deadline.ts";
import {
  AuthenticationError,
  BadRequestError,
  ConflictError,
  ConnectionError,
  Dataset,
  downloadDataset,
  downloadModel,
  Fireworks,
  type FireworksOptions,
  InvalidResponseError,
  LLM,
  type LLMOptions,
  NotFoundError,
  OPERATIONS,
  uploadDataset,
  uploadModel,
} from "../src/node/index.ts";
import { compileExamples, exampleFolder, examplesOfGuide, runExample } from "./examples.ts";
import { type Fault, type FlakyProxy, startFlakyProxy } from "./flaky-proxy.ts";

const folder = mkdtempSync(join(tmpdir(), "sdk-platform-"));
const stateFolder = join(folder, "state");
let hearth: Hearth;
let proxy: FlakyProxy;
let client: Fireworks;
/** The same host behind a faulty network. */
let flaky: Fireworks;

function clientOf(options: FireworksOptions = {}): Fireworks {
  return new Fireworks({ apiKey: hearth.apiKey, baseURL: hearth.baseUrl, ...options });
}

beforeAll(async () => {
  hearth = await startHearth();
  proxy = await startFlakyProxy(hearth);
  client = clientOf();
  flaky = new Fireworks(
    { apiKey: hearth.apiKey, baseURL: proxy.origin, maxRetries: 8 },
    { nowMs: Date.now, random: Math.random, pause: (ms, signal) => pause(ms / 10, signal) },
  );
});
afterEach(() => {
  proxy.plan([]);
  proxy.seen.splice(0);
});
afterAll(async () => {
  await proxy.close();
  rmSync(folder, { recursive: true, force: true });
});

const ROW = `${JSON.stringify({
  messages: [
    { role: "user", content: "1+1?" },
    { role: "assistant", content: "2" },
  ],
})}\n`;
const newId = (kind: string): string => `${kind}-${randomUUID().slice(0, 8)}`;

function rowsFile(sizeBytes = 1): string {
  const path = join(folder, `${newId("rows")}.jsonl`);
  writeFileSync(path, ROW.repeat(Math.max(3, Math.ceil(sizeBytes / ROW.length))));
  return path;
}

/** The expected output of each example, by its section. */
const PRINTED: Record<string, RegExp> = {
  Start: /\S/,
  Resources: /^accounts\/local\/datasets\/sums Small sums\naccounts\/local\/datasets\/sums\n2 \d+ true\n$/,
  Streams: /\S/,
  Errors: /^404 NOT_FOUND\n$/,
  Files:
    /^transferring \d+ \d+\n[\s\S]*validating (\d+) \1\nREADY HF_BASE_MODEL\n\[ '.*\/out\/rows\.jsonl' \]\n$/,
  "Models as wishes":
    /^accounts\/fireworks\/models\/smollm2-135m-instruct .*[\s\S]* \d+(\.\d+)?\naccounts\/local\/deployments\/docs-[0-9a-f]{24}\n$/,
  "Datasets and fine-tuning": /^accounts\/local\/datasets\/rows-[0-9a-f]{24}\ndataset-[0-9a-f]{24}\n$/,
};

/** These tests come first, as the examples need a new platform. */
describe("docs/sdk.md", () => {
  const examples = examplesOfGuide();
  const place = join(folder, "docs");
  beforeAll(() => exampleFolder(place));

  test("has only TypeScript examples, one in each section", () => {
    expect(examples.map(({ language }) => language)).toEqual(examples.map(() => "ts"));
    expect(examples.map(({ section }) => section)).toEqual(Object.keys(PRINTED));
  });

  test.each(examples)("has an example in “$section” that runs unchanged", async (example) => {
    expect(await runExample(hearth, place, example)).toMatch(PRINTED[example.section] as RegExp);
  });

  test("has examples that pass the type check", async () => {
    expect(await compileExamples(place)).toBe("");
  });
});

test("the client has every operation of the platform's OpenAPI document", async () => {
  const { paths } = (await client.request({ method: "GET", path: "/openapi.json" })) as {
    paths: Record<string, object>;
  };
  const known = new Set(Object.values(OPERATIONS).map(({ method, path }) => `${method} ${path}`));
  const own = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const missing = own.filter((one) => / \/v1\/accounts/.test(one) && !known.has(one));
  expect(own.length).toBeGreaterThan(50);
  expect(missing).toEqual([]);
});

describe("resources", () => {
  test("can be created, read, changed, listed and deleted", async () => {
    const datasetId = newId("d");
    const { name = "" } = await client.datasets.create({ datasetId, dataset: { displayName: "One" } });
    expect(name).toBe(`accounts/local/datasets/${datasetId}`);
    expect((await client.datasets.update(name, { displayName: "Two" })).displayName).toBe("Two");
    expect(await client.datasets.get(datasetId, { readMask: "displayName" })).toEqual({ displayName: "Two" });
    const found = await client.datasets.list({ filter: `name = "${name}"` }).page();
    expect(found).toMatchObject({ items: [{ name }], totalSize: 1, nextPageToken: "" });
    expect(await client.datasets.delete(name)).toEqual({});
    await expect(client.datasets.get(datasetId)).rejects.toBeInstanceOf(NotFoundError);
  });

  test("are each listed once over many pages", async () => {
    const ids = Array.from({ length: 23 }, (_, i) => `page-${String(i).padStart(2, "0")}`);
    for (const datasetId of ids) await client.datasets.create({ datasetId, dataset: {} });
    const list = client.datasets.list({ filter: 'name : "/page-"', orderBy: "name", pageSize: 5 });
    const listed: string[] = [];
    for await (const { name = "" } of list) listed.push(basename(name));
    expect(listed).toEqual(ids);
    let pages = 0;
    for await (const _ of list.pages()) pages++;
    expect(pages).toBe(5);
  });

  test("below users are reached by nested names", async () => {
    const userId = newId("u");
    await client.users.create({ userId, role: "user", email: `${userId}@example.test` });
    const { keyId, key } = await client.apiKeys.createForUser(userId, { apiKey: { displayName: "k" } });
    expect((await client.apiKeys.getForUser(`${userId}/apiKeys/${keyId}`)).displayName).toBe("k");
    expect(await clientOf({ apiKey: key }).accountId()).toBe("local");
    await client.apiKeys.deleteForUser(userId, { keyId: keyId ?? "" });
    await expect(clientOf({ apiKey: key }).accountId()).rejects.toBeInstanceOf(AuthenticationError);
  });

  test("that are refused give an error with the invalid field", async () => {
    const error = await client.datasets
      .list({ filter: "nonsense = 1" })
      .page()
      .catch((one: unknown) => one);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", param: "filter", requestId: expect.any(String) });
  });
});

describe("a wrong address or key", () => {
  test("gives an error that names the cause and never the key", async () => {
    const wrong = clientOf({ apiKey: "fw_wrong_key_1234", accountId: "local" });
    const error = await wrong.models.get("m").catch((one: unknown) => one);
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(JSON.stringify(error) + String(error)).not.toContain("fw_wrong_key_1234");

    const pages = http.createServer((_, response) => {
      response.setHeader("content-type", "text/html").end("<!doctype html><title>Hello</title>");
    });
    await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    const elsewhere = clientOf({ baseURL: origin, accountId: "a", maxRetries: 0 });
    await expect(elsewhere.models.get("m")).rejects.toThrow(`${origin} answered 200 with a web page`);
    await expect(elsewhere.models.get("m")).rejects.toBeInstanceOf(InvalidResponseError);
    pages.closeAllConnections();
    await new Promise((resolve) => pages.close(resolve));
    const nowhere = clientOf({ baseURL: `${origin}/v1`, accountId: "a", maxRetries: 0 });
    await expect(nowhere.models.get("m")).rejects.toThrow(ConnectionError);
  });
});

describe("over a network that drops, cuts and delays", () => {
  const fault = fc.constantFrom<Fault>("drop", "lose-answer", "cut-answer", "unavailable", "page", "delay");

  test("a resource with a client-chosen id is created once and deleted, whatever message is lost", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 2 }),
        fc.array(fault, { maxLength: 2 }),
        async (one, two) => {
          const datasetId = newId("lost");
          proxy.plan(one);
          const made = await flaky.datasets.create({ datasetId, dataset: { displayName: "Mine" } });
          expect(made).toMatchObject({ name: `accounts/local/datasets/${datasetId}`, displayName: "Mine" });
          proxy.plan(two);
          expect(await flaky.datasets.delete(datasetId)).toEqual({});
        },
      ),
      { numRuns: 12, endOnFailure: true },
    );
  });

  test("another client's resource of the same id stays a conflict", async () => {
    const datasetId = newId("d");
    await client.datasets.create({ datasetId, dataset: { displayName: "Theirs" } });
    proxy.plan(["drop"]);
    const mine = flaky.datasets.create({ datasetId, dataset: { displayName: "Mine" } });
    await expect(mine).rejects.toBeInstanceOf(ConflictError);
  });

  test("a list is complete, and a generation that may have run is not requested again", async () => {
    proxy.plan(["cut-answer", "unavailable", "pass", "drop"]);
    const listed: unknown[] = [];
    const models = flaky.models.list({ pageSize: 20 }, { accountId: "fireworks" });
    for await (const model of models) listed.push(model.name);
    const all = await client.models.list({ pageSize: 200 }, { accountId: "fireworks" }).page();
    expect(listed).toEqual(all.items.map(({ name }) => name));

    proxy.plan(["unavailable", "lose-answer"], ({ path }) => path.endsWith("/completions"));
    proxy.seen.splice(0);
    const reply = flaky.completions.create({ model: MODEL, prompt: "Hi", max_tokens: 1 });
    await expect(reply).rejects.toBeInstanceOf(ConnectionError);
    expect(proxy.seen).toHaveLength(2);
  });

  test("a stream that is cut off fails after its earlier events", async () => {
    proxy.plan(["cut-answer"]);
    const request = { model: MODEL, prompt: "One two three", max_tokens: 12, stream: true } as const;
    let events = 0;
    const read = async () => {
      for await (const _ of await flaky.completions.create(request)) events++;
    };
    await expect(read()).rejects.toBeInstanceOf(ConnectionError);
    expect(events).toBeGreaterThan(0);
  });

  test("a dataset can be uploaded, validated and downloaded", async () => {
    const path = rowsFile(9 * 1024 ** 2);
    const datasetId = newId("d");
    const isUpload = ({ path: to }: { path: string }) => to.startsWith("/blobs/") || to.includes(":");
    proxy.plan(["drop", "pass", "cut-body", "page", "lose-answer"], isUpload);
    const made = await uploadDataset(flaky, path, { datasetId, stateFolder });
    expect(made).toMatchObject({ state: "READY", format: "CHAT" });
    proxy.plan(["unavailable", "cut-answer"], isUpload);
    const [file = ""] = await downloadDataset(flaky, datasetId, join(folder, datasetId));
    expect(readFileSync(file).equals(readFileSync(path))).toBe(true);
    expect(readdirSync(stateFolder)).toEqual([]);
  });
});

describe("uploads", () => {
  test("that were interrupted resume with the same call", async () => {
    const path = rowsFile(12 * 1024 ** 2);
    const datasetId = newId("d");
    const ended = new AbortController();
    const upload = (signal?: AbortSignal) => uploadDataset(flaky, path, { datasetId, stateFolder, signal });
    proxy.plan(["stall"], ({ method }) => method === "PUT");
    const first = expect(upload(ended.signal)).rejects.toThrow("Ctrl-C");
    await proxy.stalled();
    ended.abort(new Error("Ctrl-C"));
    await first;
    proxy.seen.splice(0);
    expect((await upload()).state).toBe("READY");
    const puts = proxy.seen
      .filter(({ method }) => method === "PUT")
      .map(({ headers }) => headers["content-range"]);
    expect(puts[0]).toMatch(/^bytes \*\/\d+$/);
    expect(puts.at(-1)).toMatch(/^bytes [1-9]\d*-/);
    await expect(upload()).rejects.toBeInstanceOf(ConflictError);
  });

  test("of a model follow links, and its download is identical", async () => {
    const [real, linked] = [join(folder, "real"), join(folder, "linked")];
    await writeTinyModel(real, { shards: 2 });
    mkdirSync(linked);
    for (const name of readdirSync(real)) symlinkSync(join(real, name), join(linked, name));
    const modelId = newId("m");
    const model = await uploadModel(client, linked, {
      modelId,
      model: { displayName: "Tiny" },
      stateFolder: null,
    });
    expect(model).toMatchObject({ state: "READY", kind: "HF_BASE_MODEL", displayName: "Tiny" });
    const files = await downloadModel(client, modelId, join(folder, modelId));
    expect(files).toHaveLength(readdirSync(real).length);
    for (const file of files) {
      expect(readFileSync(file).equals(readFileSync(join(real, basename(file))))).toBe(true);
    }
  });

  test("with an invalid file name the file, and succeed with the same call once it is fixed", async () => {
    const model = join(folder, "faulty");
    await writeTinyModel(model);
    const config = readFileSync(join(model, "config.json"), "utf8");
    writeFileSync(join(model, "config.json"), config.replace('"hidden_size": 64', '"hidden_size": 128'));
    const modelId = newId("m");
    const upload = (displayName: string) =>
      uploadModel(client, model, { modelId, model: { displayName }, stateFolder: null });
    await expect(upload("First")).rejects.toBeInstanceOf(BadRequestError);
    writeFileSync(join(model, "config.json"), config);
    expect(await upload("Second")).toMatchObject({ state: "READY", displayName: "Second" });
  });

  test("of invalid rows name the line", async () => {
    const path = rowsFile();
    writeFileSync(path, `${ROW.repeat(3)}{"messages": 5}\n`);
    const upload = uploadDataset(client, path, { datasetId: newId("d"), stateFolder: null });
    await expect(upload).rejects.toThrow(/line 4/);
  });
});

/** A tiny model, which loads quickly. */
async function tinyModel(): Promise<string> {
  const path = join(folder, "tiny");
  await writeTinyModel(path);
  const { name = "" } = await uploadModel(client, path, { modelId: newId("tiny"), stateFolder: null });
  return name;
}

describe("the declarative classes", () => {
  const messages = [{ role: "user", content: "Say hello." }] as const;

  test("call a serverless model at once, as a whole and as a stream", async () => {
    const llm = new LLM({ client, model: "smollm2-135m-instruct", deploymentType: "auto", temperature: 0 });
    const whole = await llm.chat.completions.create({ messages, max_tokens: 8 });
    let text = "";
    for await (const chunk of await llm.chat.completions.create({ messages, max_tokens: 8, stream: true }))
      text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe(whole.choices[0]?.message.content);
    expect([llm.model, llm.modelId, llm.deploymentName]).toEqual([MODEL, MODEL, null]);
    await llm.deleteDeployment();
  });

  test("create one deployment for concurrent callers, and can change, find and delete it", async () => {
    const options: LLMOptions = {
      client,
      model: await tinyModel(),
      deploymentType: "on-demand",
      deploymentDisplayName: newId("shared"),
    };
    const [one, two] = [new LLM(options), new LLM(options)];
    await Promise.all([
      one.ensureReady(),
      two.ensureReady(),
      one.completions.create({ prompt: "Hi", max_tokens: 1 }),
    ]);
    expect(one.deploymentName).toBe(two.deploymentName);
    const deployment = await client.deployments.get(one.deploymentName ?? "");
    expect(deployment).toMatchObject({
      displayName: options.deploymentDisplayName,
      minReplicaCount: 0,
      autoscalingPolicy: { scaleUpWindow: "1s", scaleDownWindow: "60s", scaleToZeroWindow: "300s" },
    });
    const larger = await new LLM({ ...options, maxReplicaCount: 3, scaleToZeroWindow: "1h" }).ensureReady();
    expect(larger.deploymentName).toBe(one.deploymentName);
    expect(await client.deployments.get(one.deploymentName ?? "")).toMatchObject({
      maxReplicaCount: 3,
      autoscalingPolicy: { scaleUpWindow: "1s", scaleToZeroWindow: "3600s" },
    });
    const wrong = new LLM({
      ...options,
      model: MODEL,
      deploymentName: "no-such-one",
      minReplicaCount: 2,
      maxReplicaCount: 1,
    });
    await expect(wrong.ensureReady()).rejects.toMatchObject({ param: "maxReplicaCount" });
    await new LLM(options).deleteDeployment({ ignoreChecks: true });
    expect((await client.deployments.get(one.deploymentName ?? "")).state).toMatch(/^DELET/);
    await two.deleteDeployment({ ignoreChecks: true });
    const again = await new LLM(options).ensureReady();
    expect(again.deploymentName).toBe(one.deploymentName);
    expect((await client.deployments.get(again.deploymentName ?? "")).state).toBe("READY");
    await again.deleteDeployment({ ignoreChecks: true });
  }, 120_000);

  test("load an addon beside its base model, with different outputs", async () => {
    const adapter = join(folder, "adapter");
    await writeTinyLora(adapter, { seed: 3 });
    const modelId = newId("lora");
    const baseModel = await tinyModel();
    const peftDetails = { baseModel };
    await uploadModel(client, adapter, { modelId, model: { peftDetails }, stateFolder: null });
    const model = `accounts/local/models/${modelId}`;
    const base = new LLM({
      client,
      model: baseModel,
      deploymentType: "on-demand",
      deploymentDisplayName: newId("base"),
      enableAddons: true,
      temperature: 0,
    });
    const shared = new LLM({ client, model, deploymentType: "on-demand-lora", temperature: 0 });
    const request = { messages, max_tokens: 8 };
    const [plain, changed] = [
      await base.chat.completions.create(request),
      await shared.chat.completions.create(request),
    ];
    expect(changed.choices[0]?.message.content).not.toBe(plain.choices[0]?.message.content);
    expect(shared.modelId).toMatch(/^accounts\/local\/deployedModels\//);
    expect(shared.peftBaseModel).toBe(baseModel);
    const { baseDeploymentName } = shared;
    expect(baseDeploymentName).toBe(base.deploymentName);
    await shared.deleteDeployment();
    expect((await client.deployments.get(baseDeploymentName ?? "")).state).toBe("READY");
    await client.deployments.delete(baseDeploymentName ?? "", { ignoreChecks: true });
  }, 120_000);

  test("upload a dataset once for the same file name and bytes", async () => {
    const path = rowsFile();
    const dataset = await Dataset.fromFile(path, { client: flaky });
    await dataset.sync();
    expect((await client.datasets.get(dataset.id)).state).toBe("READY");
    proxy.seen.splice(0);
    await (await Dataset.fromFile(path, { client: flaky })).sync();
    expect(proxy.seen.map(({ method }) => method)).toEqual(["GET"]);
    const same = await Dataset.fromString(readFileSync(path, "utf8"), { client, filename: basename(path) });
    expect(same.id).toBe(dataset.id);
    await dataset.delete();
    await expect(dataset.delete()).rejects.toBeInstanceOf(NotFoundError);
  });

  test("pass on the server's error for fine-tuning", async () => {
    const llm = new LLM({ client, model: MODEL, deploymentType: "auto" });
    const dataset = await Dataset.fromString(ROW.repeat(3), { client });
    await expect(llm.createSupervisedFineTuningJob("job", dataset)).rejects.toMatchObject({ status: 501 });
  });
});
