import fc from "fast-check";
import { expect, test } from "vitest";
import { Fireworks } from "../client/client.ts";
import { ConnectionError, InputError, TimeoutError } from "../client/errors.ts";
import { checkNewId } from "../client/names.ts";
import { instantRuntime, json, type Reply, scriptedFetch } from "../client/testing.ts";
import { Dataset } from "./dataset.ts";
import { apiDuration } from "./durations.ts";
import { JobFailedError } from "./fine-tuning.ts";
import { LLM, SupervisedFineTuningJob } from "./llm.ts";
import { deploymentFields, type LLMOptions, libraryName } from "./llm-options.ts";
import { poll } from "./polling.ts";
import { quoted, randomId, signatureId } from "./signature.ts";
import { Singleflight } from "./singleflight.ts";

function clientOf(...replies: readonly Reply[]) {
  const { fetch, sent } = scriptedFetch(...replies);
  const settings = { apiKey: "fw_test_key", baseURL: "http://host", accountId: "team", fetch };
  return { client: new Fireworks(settings, instantRuntime()), sent };
}

test.each([
  ["30s", "30s"],
  ["1h30m", "5400s"],
  ["1.5s", "1.5s"],
  ["250ms", "0.25s"],
  ["0s", "0s"],
  ["1d", "86400s"],
])("the duration %s becomes %s for the API", (text, seconds) => {
  expect(apiDuration("x", text)).toBe(seconds);
});

test.each(["", "30", "s", "1h 30m", "-5s", "1y", "five minutes", "1s2"])(
  "%j is refused as a duration",
  (text) => {
    expect(() => apiDuration("scaleUpWindow", text)).toThrow(/scaleUpWindow must be a span of time/);
  },
);

test("an id is derived from the signature alone and is valid", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.array(fc.string(), { maxLength: 2 }), async (title, signature) => {
      const id = await signatureId(title, signature);
      checkNewId("id", id);
      expect(await signatureId(title, signature)).toBe(id);
      expect(await signatureId(title, [...signature, "more"])).not.toBe(id);
    }),
  );
  expect(await signatureId("My Rows (v2)", ["a"])).toMatch(/^my-rows-v2-[0-9a-f]{24}$/);
  checkNewId("id", randomId("9 lives"));
});

test("a quoted string can't end the filter's literal", () => {
  expect(quoted('a" OR b\\')).toBe('"a\\" OR b\\\\"');
});

test("a model name without an account means a library model", () => {
  expect(libraryName("m")).toBe("accounts/fireworks/models/m");
  expect(libraryName("team/m")).toBe("accounts/team/models/m");
  expect(libraryName("accounts/team/models/m")).toBe("accounts/team/models/m");
});

const all: Required<Omit<LLMOptions, "client" | "replicaCount">> = {
  model: "m",
  deploymentType: "on-demand",
  deploymentName: "d",
  deploymentDisplayName: "D",
  baseDeploymentName: "b",
  temperature: 0,
  enableMetrics: true,
  apiKey: "k",
  baseURL: "http://h",
  maxRetries: 1,
  description: "x",
  scaleUpWindow: "1s",
  scaleDownWindow: "1m",
  scaleToZeroWindow: "5m",
  acceleratorType: "NVIDIA_H100_80GB",
  acceleratorCount: 2,
  region: "US_IOWA_1",
  minReplicaCount: 1,
  maxReplicaCount: 3,
  precision: "FP8",
  enableAddons: true,
  draftTokenCount: 4,
  draftModel: "draft",
  ngramSpeculationLength: 3,
  longPromptOptimized: true,
  enableSessionAffinity: true,
  directRouteApiKeys: ["some-key"],
  directRouteType: "INTERNET",
};

test("every argument of the reference sets its field of the deployment", () => {
  new LLM(all);
  expect(deploymentFields(all)).toEqual({
    description: "x",
    acceleratorType: "NVIDIA_H100_80GB",
    acceleratorCount: 2,
    precision: "FP8",
    minReplicaCount: 1,
    maxReplicaCount: 3,
    enableAddons: true,
    draftTokenCount: 4,
    draftModel: "accounts/fireworks/models/draft",
    ngramSpeculationLength: 3,
    enableSessionAffinity: true,
    directRouteApiKeys: ["some-key"],
    directRouteType: "INTERNET",
    placement: { region: "US_IOWA_1" },
    autoTune: { longPrompt: true },
    autoscalingPolicy: { scaleUpWindow: "1s", scaleDownWindow: "60s", scaleToZeroWindow: "300s" },
  });
  expect(deploymentFields({ replicaCount: 2 })).toEqual({ minReplicaCount: 2, maxReplicaCount: 2 });
  expect(deploymentFields({})).toEqual({});
});

test.each([
  [{ maxBatchSize: 8 }, "maxBatchSize"],
  [{ cluster: "c" }, "cluster"],
  [{ acceleratorTyp: "x" }, "acceleratorTyp"],
  [{ model: "" }, "model"],
  [{ deploymentType: "on_demand" }, "deploymentType"],
  [{ replicaCount: 1, maxReplicaCount: 2 }, "replicaCount"],
  [{ deploymentType: "serverless", precision: "FP8" }, "precision"],
  [{ deploymentType: "serverless", deploymentName: "d" }, "deploymentName"],
  [{ scaleUpWindow: "soon" }, "scaleUpWindow"],
])("an option that can't be honoured is refused by its name: %j", (options, param) => {
  const make = () => new LLM({ model: "m", deploymentType: "auto", ...(options as Partial<LLMOptions>) });
  expect(make).toThrow(InputError);
  expect(make).toThrow(expect.objectContaining({ param }));
});

test("the model's temperature is the default, and a request's own temperature overrides it", async () => {
  const model = json({ name: "accounts/fireworks/models/m", supportsServerless: true });
  const { client, sent } = clientOf(
    model,
    json({ choices: [] }),
    json({ choices: [] }),
    json({ choices: [] }),
  );
  const warm = new LLM({ model: "m", deploymentType: "auto", client, temperature: 1 });
  const messages = [{ role: "user", content: "x" }] as const;
  await warm.chat.completions.create({ messages });
  await warm.withTemperature(0).chat.completions.create({ messages, extraHeaders: { "x-a": "1" } });
  await warm.chat.completions.create({ messages, temperature: 2 });
  expect(sent.slice(1).map(({ body }) => body)).toEqual(
    [1, 0, 2].map((temperature) => ({ temperature, messages, model: "accounts/fireworks/models/m" })),
  );
  expect(sent[2]?.headers.get("x-a")).toBe("1");
  expect(warm.temperature).toBe(1);
});

test("the time to the last token is measured only with enableMetrics and without stream", async () => {
  const replies = () => [json({ name: "n", supportsServerless: true }), json({ choices: [] })];
  const { client } = clientOf(...replies());
  const measured = new LLM({ model: "m", deploymentType: "auto", client, enableMetrics: true });
  expect(measured.getTimeToLastTokenMean()).toBeNull();
  await measured.completions.create({ prompt: "x" });
  expect(measured.getTimeToLastTokenMean()).toBeGreaterThanOrEqual(0);
  const other = new LLM({ model: "m", deploymentType: "auto", client: clientOf(...replies()).client });
  await other.completions.create({ prompt: "x" });
  expect(other.getTimeToLastTokenMean()).toBeNull();
});

test("serverless hosting that a model lacks is refused, and nothing is created", async () => {
  const { client, sent } = clientOf(json({ name: "n", supportsServerless: false }));
  const llm = new LLM({ model: "m", deploymentType: "serverless", client });
  await expect(llm.ensureReady()).rejects.toMatchObject({ param: "deploymentType" });
  expect(sent.map(({ method }) => method)).toEqual(["GET"]);
});

const addon = () =>
  json({
    name: "accounts/team/models/lora",
    peftDetails: { baseModel: "accounts/fireworks/models/b" },
  });

test("an addon is loaded onto a shared deployment of its base model, which is created if needed", async () => {
  const deployment = {
    name: "accounts/team/deployments/d",
    baseModel: "accounts/fireworks/models/b",
    state: "READY",
  };
  const loaded = { name: "accounts/team/deployedModels/l", state: "DEPLOYED" };
  const none = () => json({ deployments: [] });
  const { client, sent } = clientOf(
    addon(),
    json({ supportsServerless: false }),
    none,
    none,
    json(deployment),
    json({ deployedModels: [] }),
    json(loaded),
    json(deployment),
    json(loaded),
  );
  const llm = new LLM({ model: "team/lora", deploymentType: "auto", client, deploymentDisplayName: "D" });
  await llm.ensureReady();
  expect(sent[4]).toMatchObject({
    method: "POST",
    body: {
      baseModel: "accounts/fireworks/models/b",
      enableAddons: true,
      minReplicaCount: 0,
      displayName: "D",
    },
  });
  expect(sent[6]?.body).toEqual({
    model: "accounts/team/models/lora",
    deployment: "accounts/team/deployments/d",
  });
  expect(llm.modelId).toBe("accounts/team/deployedModels/l");
  expect(llm.baseDeploymentName).toBe("accounts/team/deployments/d");
  expect(llm.peftBaseModel).toBe("accounts/fireworks/models/b");
  expect(llm.addonsEnabled).toBe(true);
});

test("an addon uses another deployment only if it has the requested fields, and doesn't change it", async () => {
  const theirs = {
    name: "accounts/team/deployments/theirs",
    baseModel: "accounts/fireworks/models/b",
    state: "READY",
    enableAddons: true,
    maxReplicaCount: 1,
  };
  const loaded = () =>
    json({ deployedModels: [{ name: "accounts/team/deployedModels/l", state: "DEPLOYED" }] });
  const [none, found] = [json({ deployments: [] }), json({ deployments: [theirs] })];
  const { client, sent } = clientOf(addon(), none, found, loaded);
  const options = { client, model: "team/lora", deploymentType: "on-demand-lora" } as const;
  const llm = await new LLM(options).apply();
  expect(llm.baseDeploymentName).toBe(theirs.name);
  expect(sent.map(({ method }) => method)).toEqual(["GET", "GET", "GET", "GET"]);

  const own = json({ ...theirs, name: "accounts/team/deployments/own" });
  const next = clientOf(addon(), json({ deployments: [] }), json({ deployments: [theirs] }), own, loaded());
  const larger = await new LLM({ ...options, client: next.client, maxReplicaCount: 4 }).apply();
  expect(larger.baseDeploymentName).toBe("accounts/team/deployments/own");
  expect(next.sent[3]).toMatchObject({ method: "POST", body: { maxReplicaCount: 4, enableAddons: true } });
});

test("deleting an addon on a shared deployment unloads it and keeps the deployment", async () => {
  const { client, sent } = clientOf(
    addon(),
    json({ deployments: [{ name: "accounts/team/deployments/own" }] }),
    json({ deployedModels: [{ name: "accounts/team/deployedModels/l" }] }),
    json({}),
  );
  await new LLM({ client, model: "team/lora", deploymentType: "on-demand-lora" }).deleteDeployment();
  expect(sent.at(-1)).toMatchObject({ method: "DELETE", path: "/v1/accounts/team/deployedModels/l" });
});

test("a deployment that another client deleted is created again by the request after the failed one", async () => {
  const model = () => json({ name: "n", supportsServerless: true });
  const { client, sent } = clientOf(
    model(),
    json({ code: 5, message: "Gone." }, 404),
    model(),
    json({ choices: [] }),
  );
  const llm = new LLM({ client, model: "m", deploymentType: "auto" });
  await expect(llm.completions.create({ prompt: "x" })).rejects.toThrow("Gone.");
  await llm.completions.create({ prompt: "x" });
  expect(sent).toHaveLength(4);
});

test("Singleflight runs shared work once, and aborts it when all callers have aborted", async () => {
  const shared = new Singleflight<string>();
  let runs = 0;
  let inner: AbortSignal | undefined;
  let finish = (_: string): void => {};
  const work = (signal: AbortSignal): Promise<string> => {
    runs++;
    inner = signal;
    return new Promise((resolve, reject) => {
      finish = resolve;
      signal.addEventListener("abort", () => reject(new Error("left")));
    });
  };
  const leaver = new AbortController();
  const first = shared.run(work, leaver.signal);
  const second = shared.run(work, undefined);
  leaver.abort("bye");
  await expect(first).rejects.toBe("bye");
  expect(inner?.aborted).toBe(false);
  finish("done");
  expect(await second).toBe("done");
  expect(runs).toBe(1);
  const last = new AbortController();
  const alone = shared.run(work, last.signal);
  last.abort("bye");
  await expect(alone).rejects.toBe("bye");
  expect(inner?.aborted).toBe(true);
});

test("poll returns the value or throws a TimeoutError", async () => {
  await expect(poll("x was not there", async () => null, { timeoutMs: 0 })).rejects.toThrow(TimeoutError);
  expect(await poll("x", async () => 0, {})).toBe(0);
  await expect(poll("x", async () => null, { signal: AbortSignal.abort("bye") })).rejects.toBe("bye");
});

test("poll survives a short outage of the host and no other error", async () => {
  const away = new ConnectionError("host can't be reached.");
  const looks = [Promise.reject(away), Promise.resolve(null), Promise.reject(away), Promise.resolve("x")];
  for (const look of looks) look.catch(() => {});
  expect(await poll("x", () => looks.shift() as Promise<string | null>, {})).toBe("x");
  const failed = new JobFailedError("x failed.");
  await expect(poll("x", () => Promise.reject(failed), {})).rejects.toBe(failed);
});

test("datasets have the same id only for the same name and bytes", async () => {
  const client = clientOf().client;
  const rows = [{ prompt: "a" }, { prompt: "b" }];
  const one = await Dataset.fromList(rows, { client });
  expect((await Dataset.fromString('{"prompt":"a"}\n{"prompt":"b"}\n', { client })).id).toBe(one.id);
  expect(
    (await Dataset.fromFile(new File(['{"prompt":"a"}\n{"prompt":"b"}\n'], "dataset.jsonl"), { client })).id,
  ).toBe(one.id);
  expect((await Dataset.fromList(rows, { client, filename: "other.jsonl" })).id).not.toBe(one.id);
  expect((await Dataset.fromList(rows.slice(1), { client })).id).not.toBe(one.id);
  expect(one.name).toBeNull();
  await expect(Dataset.fromList(rows, { client, filename: "a.csv" })).rejects.toMatchObject({
    param: "filename",
  });
  await expect(Dataset.fromFile("path.jsonl", { client })).rejects.toThrow(/@hearth\/sdk\/node/);
});

const running = {
  name: "accounts/team/supervisedFineTuningJobs/j",
  displayName: "n",
  state: "JOB_STATE_RUNNING",
};
const job = (state: string, more = {}) => json({ ...running, state, ...more });

test("a fine-tuning job takes the reference's arguments, can be waited for, and gives its tuned model", async () => {
  const { client, sent } = clientOf(
    json({ name: "accounts/fireworks/models/b" }),
    json({ supervisedFineTuningJobs: [{ state: "JOB_STATE_FAILED" }] }),
    job("JOB_STATE_CREATING"),
    job("JOB_STATE_COMPLETED", { outputModel: "accounts/team/models/out" }),
  );
  const llm = new LLM({ model: "b", deploymentType: "auto", client });
  const made = await llm.createSupervisedFineTuningJob("n", "rows", {
    epochs: 2,
    learningRate: 1e-4,
    id: "my-job",
  });
  expect(sent[2]).toMatchObject({
    path: "/v1/accounts/team/supervisedFineTuningJobs?supervisedFineTuningJobId=my-job",
    body: {
      displayName: "n",
      baseModel: "accounts/fireworks/models/b",
      epochs: 2,
      learningRate: 1e-4,
      dataset: "accounts/team/datasets/rows",
    },
  });
  expect(() => made.outputLlm).toThrow(/no output model yet/);
  expect(await made.waitForCompletion()).toBe(made);
  expect(made.outputLlm.model).toBe("accounts/team/models/out");
  expect(made.outputLlm.deploymentType).toBe("auto");
});

test("a job of the same name and model is reused, and a failed job throws its reason", async () => {
  const { client, sent } = clientOf(
    json({ name: "accounts/fireworks/models/b" }),
    json({ supervisedFineTuningJobs: [running] }),
    job("JOB_STATE_FAILED", { status: { code: "INTERNAL", message: "No space." } }),
  );
  const llm = new LLM({ model: "b", deploymentType: "auto", client });
  const found = await llm.createSupervisedFineTuningJob("n", "rows");
  expect(sent.map(({ method }) => method)).toEqual(["GET", "GET"]);
  await expect(found.waitForCompletion()).rejects.toThrow("JOB_STATE_FAILED. No space.");
});

test.each(["baseModelWeightPrecision", "acceleratorType", "acceleratorCount", "nonsense"])(
  "a job's argument %s that the API can't take is refused by its name",
  async (param) => {
    const { client } = clientOf();
    const llm = new LLM({ model: "b", deploymentType: "auto", client });
    const request = { name: "n", llm, datasetOrId: "d", [param]: 1 };
    await expect(SupervisedFineTuningJob.create(request)).rejects.toMatchObject({ param });
  },
);
