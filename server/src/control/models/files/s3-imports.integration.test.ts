import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectAnswer } from "../../../../test/conformance/control-plane-contract.ts";
import { type TestS3, testS3 } from "../../../../test/harness/s3.ts";
import { writeTinyModel } from "../../../model-files/testing.ts";
import { createS3Client } from "../../../platform/blobs/s3-client.ts";
import { createModelsService } from "../service.ts";
import { fieldOf, MODELS, type ModelsSetup, startModels } from "../testing.ts";

let s3: TestS3;
let t: ModelsSetup;
const KEYS = { accessKeyId: "S3RVER", accessSecret: "S3RVER" };

beforeAll(async () => {
  s3 = await testS3();
  t = await startModels({ s3: { endpoint: s3.endpoint, region: "us-east-1" } });
  const folder = t.newFolder();
  await writeTinyModel(folder);
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]) {
    await store(`models/tiny/${name}`, readFileSync(join(folder, name)));
    await store(`models/other/${name}`, "other");
  }
});
/** Files that a trainer leaves beside a model; an import does not copy them. */
beforeAll(async () => {
  for (const name of ["optimizer.pt", "runs/host/events.out.tfevents.1", "a b.txt"]) {
    await store(`models/tiny/${name}`, "state");
  }
});
afterAll(async () => {
  await t.close();
  await s3.stop();
});

async function store(key: string, body: Buffer | string): Promise<void> {
  const client = createS3Client({ endpoint: s3.endpoint, region: "us-east-1" }, { environment: s3.env });
  await client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: key, Body: body }));
  client.destroy();
}

async function createModel(id: string): Promise<string> {
  await t.succeed("POST", MODELS, { modelId: id, model: { kind: "HF_BASE_MODEL" } });
  return `${MODELS}/${id}`;
}

describe("an import from S3", () => {
  test("copies the folder's model files, checks them and makes the model READY", async () => {
    const model = await createModel("from-s3");
    const awsS3Source = { s3Bucket: s3.bucket, s3Path: "/models/tiny/", ...KEYS };
    const operation = await t.succeed("POST", `${model}:import`, { awsS3Source });
    expectAnswer("importModel", operation);
    expect(operation.done).toBe(false);
    expect(JSON.stringify(operation)).not.toContain("S3RVER");
    expect((await t.succeed("GET", model)).state).toBe("UPLOADING");
    const again = await t.call(t.alice.key, "POST", `${model}:import`, { awsS3Source });
    expect([again.status, again.json.code]).toEqual([409, 10]);
    await t.models.tick();
    expect(await t.succeed("GET", model)).toMatchObject({
      state: "READY",
      baseModelDetails: {
        huggingfaceFiles: ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
      },
    });
    const late = await t.call(t.alice.key, "POST", `${model}:import`, { awsS3Source });
    expect([late.status, late.json.code]).toEqual([400, 9]);
    const rows = await t.database.sql`select to_jsonb(models) as row from models`;
    const work = await t.database.sql`select to_jsonb(work_items) as row from work_items`;
    expect(JSON.stringify([rows, work])).not.toContain("S3RVER");
  });

  test.each<[string, object, string, RegExp]>([
    ["files that are not a model", { s3Path: "models/other" }, "INVALID_ARGUMENT", /config\.json/],
    ["a folder without files", { s3Path: "nothing" }, "FAILED_PRECONDITION", /no files/],
    ["a bucket that does not exist", { s3Bucket: "no-such-bucket" }, "FAILED_PRECONDITION", /no such bucket/],
    ["invalid keys", { accessKeyId: "someone" }, "FAILED_PRECONDITION", /refused/],
  ])(
    "of %s fails with a reason in the model's status, and can be started again",
    async (what, source, code, message) => {
      const model = await createModel(what.replaceAll(/\W/g, "-"));
      const awsS3Source = { s3Bucket: s3.bucket, s3Path: "models/tiny", ...KEYS, ...source };
      await t.succeed("POST", `${model}:import`, { awsS3Source });
      await t.models.tick();
      const { state, status } = await t.succeed("GET", model);
      expect({ state, code: status.code }).toEqual({ state: "UPLOADING", code });
      expect(status.message).toMatch(message);
      await t.succeed("POST", `${model}:import`, {
        awsS3Source: { s3Bucket: s3.bucket, s3Path: "models/tiny", ...KEYS },
      });
      await t.models.tick();
      expect(await t.succeed("GET", model)).toMatchObject({ state: "READY", status: { code: "OK" } });
    },
  );

  test("refuses pickles and names that lead out of the folder", async () => {
    for (const [i, name] of ["pytorch_model.bin", "a b.json", "deep/er/than/it/may/be.json"].entries()) {
      await store(`bad-${i}/${name}`, "x");
      const model = await createModel(`bad-${i}`);
      await t.succeed("POST", `${model}:import`, {
        awsS3Source: { s3Bucket: s3.bucket, s3Path: `bad-${i}`, ...KEYS },
      });
      await t.models.tick();
      expect((await t.succeed("GET", model)).status.code).toBe("INVALID_ARGUMENT");
    }
    expect((await t.blobs.list("models/")).filter(({ key }) => /bin$|be\.json$/.test(key))).toEqual([]);
  });

  test("that its process did not survive is reported as interrupted", async () => {
    const model = await createModel("interrupted");
    const awsS3Source = { s3Bucket: s3.bucket, s3Path: "models/tiny", ...KEYS };
    await t.succeed("POST", `${model}:import`, { awsS3Source });
    // Another process takes over the work, but the bucket's credentials were in the memory of the first one.
    const heir = await createModelsService(t.deps);
    await heir.tick();
    await heir.close();
    expect((await t.succeed("GET", model)).status).toEqual({
      code: "ABORTED",
      message: "The import was interrupted: start it again.",
    });
  });

  test.each<[string, object, string]>([
    ["no bucket", { awsS3Source: {} }, "awsS3Source.s3Bucket"],
    ["a URL as the bucket", { awsS3Source: { s3Bucket: "169.254.169.254/latest" } }, "awsS3Source.s3Bucket"],
    [
      "a path with a control character",
      { awsS3Source: { s3Bucket: "bucket", s3Path: "a\u0001" } },
      "awsS3Source.s3Path",
    ],
    [
      "a role to assume",
      { awsS3Source: { s3Bucket: "bucket", roleArn: "arn:aws:iam::1:role/x" } },
      "awsS3Source.roleArn",
    ],
    [
      "one of the two keys only",
      { awsS3Source: { s3Bucket: "bucket", accessKeyId: "a" } },
      "awsS3Source.accessSecret",
    ],
    ["an Azure source", { azureBlobSource: { storageAccount: "a", container: "b" } }, "azureBlobSource"],
    ["two sources", { awsS3Source: { s3Bucket: "bucket" }, sourceModel: "a/b" }, "sourceModel"],
    [
      "a library addon as the source",
      { sourceModel: "fireworks/eagle-llama-v3-8b-instruct-v2" },
      "sourceModel",
    ],
  ])("with %s is refused by its name", async (_, body, field) => {
    const response = await t.call(t.alice.key, "POST", `${MODELS}/interrupted:import`, body);
    expect([response.status, fieldOf(response)], response.text).toEqual([400, field]);
  });
});

describe("createModelsService", () => {
  test("adds each catalog model once over several starts, and keeps users' models and the operator's edits", async () => {
    const count = async () => Number((await t.database.sql`select count(*) from models`)[0]!["count"]);
    const before = await count();
    const modelPath = "/v1/accounts/fireworks/models/smollm2-135m-instruct";
    await t.call(t.operator.key, "PATCH", modelPath, { description: "Small" });
    const attached = [
      {
        name: "accounts/acme/models/attached",
        displayName: "Attached",
        supportsChat: true,
        supportsImageInput: false,
        supportsTools: false,
      },
    ];
    const second = await createModelsService({ ...t.deps, attached });
    expect(await count()).toBe(before + 1);
    expect((await t.call(t.operator.key, "GET", modelPath)).json.description).toBe("Small");
    const info = await second.describe(t.alice.principal, "acme/attached");
    expect(info).toMatchObject({ kind: "base", supportsChat: true });
    await expect(second.deployable(t.alice.principal, "acme/attached")).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    await second.close();
    await (await createModelsService(t.deps)).close();
    expect(await count()).toBe(before);
  });

  test("keeps a user's model that has the name of a new catalog model", async () => {
    await createModel("mine-first");
    const attached = [
      {
        name: "accounts/acme/models/mine-first",
        displayName: "Attached",
        supportsChat: true,
        supportsImageInput: false,
        supportsTools: false,
      },
    ];
    await (await createModelsService({ ...t.deps, attached })).close();
    expect(await t.succeed("GET", `${MODELS}/mine-first`)).toMatchObject({
      kind: "HF_BASE_MODEL",
      state: "UPLOADING",
    });
  });
});
