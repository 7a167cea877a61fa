import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyModel } from "../../src/model-files/testing.ts";
import { type Hearth, startHearth } from "../harness/hearth.ts";
import { call, expectAllExercised, expectRefusal, succeed } from "./control-plane-contract.ts";

const LIBRARY_MODEL = "accounts/fireworks/models/smollm2-135m-instruct";
let hearth: Hearth;
let accountId: string;
let folder: string;

beforeAll(async () => {
  hearth = await startHearth({ database: "embedded" });
  accountId = (await succeed(hearth, "listAccounts")).accounts[0].name.split("/")[1];
  folder = mkdtempSync(join(tmpdir(), "hearth-tiny-"));
  await writeTinyModel(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const params = (id: string) => ({ account_id: accountId, model_id: id });
const rollout = (deployment: string) => ({ deployment, rolloutStrategy: "ROLLOUT_STRATEGY_STANDARD" });
const newId = (): string => `m${randomBytes(6).toString("hex")}`;

/** Creates and uploads a base model; resolves with its id once it is READY. */
async function ready(): Promise<string> {
  const id = newId();
  const model = { kind: "HF_BASE_MODEL", displayName: "Tiny" };
  await succeed(hearth, "createModel", { params: { account_id: accountId }, body: { modelId: id, model } });
  const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  const filenameToSize = Object.fromEntries([...files].map(([name, { length }]) => [name, String(length)]));
  const { filenameToSignedUrls } = await succeed(hearth, "getModelUploadEndpoint", {
    params: params(id),
    body: { filenameToSize },
  });
  for (const [name, url] of Object.entries<string>(filenameToSignedUrls)) {
    const body = files.get(name) as never;
    expect((await fetch(url, { method: "PUT", body })).status).toBe(200);
  }
  await succeed(hearth, "validateModelUpload", { params: params(id) });
  return id;
}

describe("models", () => {
  test("are created, uploaded, checked, read, updated, listed, downloaded and deleted as the contract says", async () => {
    const id = await ready();
    expect(await succeed(hearth, "getModel", { params: params(id) })).toMatchObject({
      state: "READY",
      contextLength: 512,
    });
    const changed = await succeed(hearth, "updateModel", { params: params(id), body: { public: true } });
    expect(changed).toMatchObject({ public: true, displayName: "Tiny" });
    const { models } = await succeed(hearth, "listModels", {
      params: { account_id: accountId },
      query: { filter: `name = "accounts/${accountId}/models/${id}"` },
    });
    expect(models).toHaveLength(1);
    const { filenameToSignedUrls } = await succeed(hearth, "getModelDownloadEndpoint", {
      params: params(id),
    });
    const config = await (await fetch(filenameToSignedUrls["config.json"])).text();
    expect(config).toBe(readFileSync(join(folder, "config.json"), "utf8"));
    await succeed(hearth, "deleteModel", { params: params(id) });
    expectRefusal(await call(hearth, "getModel", { params: params(id) }), "NOT_FOUND", null);
  });

  test("are prepared for another precision in the background", async () => {
    const id = await ready();
    await succeed(hearth, "prepareModel", { params: params(id), body: { precision: "FP8" } });
    await expect
      .poll(async () => (await succeed(hearth, "getModel", { params: params(id) })).precisions)
      .toEqual(["FP16", "FP8"]);
  });

  test("are imported from the library, and keep versions", async () => {
    const id = newId();
    const imported = await succeed(hearth, "importModel", {
      params: params(id),
      body: { sourceModel: LIBRARY_MODEL },
    });
    expect(imported.response.importedFrom).toBe(LIBRARY_MODEL);
    await succeed(hearth, "createModelVersion", { params: params(id), query: { versionId: "v1" }, body: {} });
    expect(await succeed(hearth, "getModelVersionCount", { params: params(id) })).toEqual({ count: 1 });
    const deploy = await call(hearth, "deployModelVersion", {
      params: { ...params(id), version_id: "v1" },
      body: rollout(`accounts/${accountId}/deployments/none`),
    });
    expectRefusal(deploy, "FAILED_PRECONDITION", "deployment");
  });

  test("name their deployments in the library, and one of their versions runs there", async () => {
    const [, , , id] = LIBRARY_MODEL.split("/");
    const library = { account_id: "fireworks", model_id: id! };
    const { deployedModelRefs } = await succeed(hearth, "getModel", { params: library });
    expect(deployedModelRefs).toMatchObject([{ state: "DEPLOYED", default: true, public: true }]);
    await succeed(hearth, "createModelVersion", { params: library, query: { versionId: "v1" }, body: {} });
    await succeed(hearth, "deployModelVersion", {
      params: { ...library, version_id: "v1" },
      body: rollout(deployedModelRefs[0].deployment),
    });
  });

  test("can have their configuration checked before an upload", async () => {
    const configJson = readFileSync(join(folder, "config.json"), "utf8");
    expect(await succeed(hearth, "validateModelConfig", { body: { configJson } })).toEqual({});
    const response = await call(hearth, "validateModelConfig", { body: { configJson: "{}" } });
    expectRefusal(response, "INVALID_ARGUMENT", "configJson");
  });

  test("have every operation exercised", () => expectAllExercised("models"));
});
