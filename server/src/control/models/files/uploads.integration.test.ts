import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectAnswer } from "../../../../test/conformance/control-plane-contract.ts";
import { randomModel } from "../../../../test/harness/random-model.ts";
import { launchReplica, textRequest } from "../../../engines/llama-cpp/testing.ts";
import { SMOLLM2_135M_SHAPE, writeTinyLora, writeTinyModel } from "../../../model-files/testing.ts";
import { DEFAULT_MODEL, fieldOf, MODELS, type ModelsSetup, put, sendFiles, startModels } from "../testing.ts";

let t: ModelsSetup;
let tiny: string;
const { signal } = new AbortController();

beforeAll(async () => {
  t = await startModels();
  tiny = t.newFolder();
  await writeTinyModel(tiny, { shards: 2, type: "BF16" });
});
afterAll(() => t.close());

const validate = (id: string) => t.call(t.alice.key, "GET", `${MODELS}/${id}:validateUpload`);

/** The text that the model of a GGUF file generates after "Once". */
async function answerOf(modelPath: string, loraPath?: string): Promise<string> {
  const replica = await launchReplica({ modelPath, contextSize: 256, slots: 1 });
  try {
    if (loraPath !== undefined) {
      await replica.engine.loadLora?.({ id: "lora", path: loraPath });
    }
    let text = "";
    const overrides = loraPath === undefined ? {} : { lora: "lora" };
    for await (const event of replica.engine.generate(textRequest("Once", overrides), signal)) {
      if (event.type === "delta") text += event.text;
    }
    return text;
  } finally {
    await replica.dispose();
  }
}

describe("an upload in the Hugging Face format", () => {
  test("becomes a READY model with the facts of its files, and generates text", async () => {
    await t.upload("tiny", tiny);
    const done = await t.succeed("GET", `${MODELS}/tiny:validateUpload`);
    expectAnswer("validateModelUpload", done);
    expect(done).toEqual({ warnings: [] });
    const model = await t.succeed("GET", `${MODELS}/tiny`);
    expectAnswer("getModel", model);
    expect(model).toMatchObject({
      state: "READY",
      status: { code: "OK" },
      contextLength: 512,
      supportsLora: true,
      supportsTools: false,
      conversationConfig: { style: "jinja" },
      baseModelDetails: {
        checkpointFormat: "HUGGINGFACE",
        huggingfaceFiles: readdirSync(tiny).sort(),
        modelType: "LlamaForCausalLM",
        worldSize: 1,
        defaultPrecision: "FP16",
      },
      precisions: ["FP16"],
      supportedPrecisionsWithCalibration: ["FP16", "FP8"],
      calibrated: false,
    });
    expect(Number(model.baseModelDetails.parameterCount)).toBeGreaterThan(10_000);

    const deployable = await t.models.deployable(t.alice.principal, "acme/tiny");
    const phases: string[] = [];
    const paths = await Promise.all(
      [1, 2, 3].map(() => deployable.fetch({ signal, onPhase: (message) => phases.push(message) })),
    );
    expect(new Set(paths).size).toBe(1);
    expect(phases).toContain("The weights are being converted to F16: 100 % so far.");
    expect(await answerOf(paths[0]!)).not.toBe("");
    const again: string[] = [];
    await deployable.fetch({ signal, onPhase: (message) => again.push(message) });
    expect(again).toEqual([]);
  });

  test("can be prepared for FP8 and keeps FP16", async () => {
    const deployable = await t.models.deployable(t.alice.principal, "acme/tiny");
    await expect(deployable.fetch({ precision: "FP8", signal, onPhase() {} })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
    const prepared = await t.succeed("POST", `${MODELS}/tiny:prepare`, {});
    expectAnswer("prepareModel", prepared);
    expect((await t.succeed("GET", `${MODELS}/tiny`)).state).toBe("PREPARING");
    const busy = await t.call(t.alice.key, "POST", `${MODELS}/tiny:prepare`, { precision: "FP8_V2" });
    expect([busy.status, busy.json.code]).toEqual([400, 9]);
    await t.models.tick();
    expect(await t.succeed("GET", `${MODELS}/tiny`)).toMatchObject({
      state: "READY",
      precisions: ["FP16", "FP8"],
      calibrated: true,
    });
    const both = await t.models.deployable(t.alice.principal, "acme/tiny");
    const path = await both.fetch({ precision: "FP8", signal, onPhase() {} });
    expect(path).not.toBe(await both.fetch({ precision: "FP16", signal, onPhase() {} }));
    expect(await answerOf(path)).not.toBe("");
    expect(await t.succeed("POST", `${MODELS}/tiny:prepare`, { precision: "FP8" })).toEqual({});
    const other = await t.call(t.alice.key, "POST", `${MODELS}/tiny:prepare`, { precision: "NF4" });
    expect([other.status, fieldOf(other)]).toEqual([400, "precision"]);
  });

  test("keeps the fields that the client set, within the limits of the files", async () => {
    await t.upload("said", tiny, {
      kind: "HF_BASE_MODEL",
      contextLength: 128,
      supportsTools: true,
      supportsLora: false,
      conversationConfig: { style: "jinja", template: "mine" },
      baseModelDetails: { modelType: "my-own" },
    });
    await t.succeed("GET", `${MODELS}/said:validateUpload`);
    expect(await t.succeed("GET", `${MODELS}/said`)).toMatchObject({
      contextLength: 128,
      supportsTools: true,
      supportsLora: false,
      conversationConfig: { template: "mine" },
      baseModelDetails: { modelType: "my-own" },
    });
    expect((await t.models.describe(t.alice.principal, "acme/said")).chatTemplate).toBe("mine");
    const longer = await t.call(t.alice.key, "PATCH", `${MODELS}/said`, { contextLength: 513 });
    expect([longer.status, fieldOf(longer)], longer.text).toEqual([400, "contextLength"]);
    await t.upload("long", tiny, { kind: "HF_BASE_MODEL", contextLength: 1_024 });
    expect(fieldOf(await validate("long"))).toBe("contextLength");
  });

  test("without a chat template becomes a model without chat, and a warning says so", async () => {
    const folder = t.newFolder();
    await writeTinyModel(folder, { chatTemplate: null });
    await t.upload("mute", folder);
    const { warnings } = await t.succeed("GET", `${MODELS}/mute:validateUpload`);
    expect(warnings).toEqual(["There is no chat template: chat completions are off for this model."]);
    expect((await t.models.describe(t.alice.principal, "acme/mute")).supportsChat).toBe(false);
  });

  test("with a chat template that fails for some conversations is usable, and warnings say for which", async () => {
    const folder = t.newFolder();
    const chatTemplate =
      "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}";
    await writeTinyModel(folder, { chatTemplate });
    await t.upload("picky", folder);
    expect(await t.succeed("GET", `${MODELS}/picky:validateUpload`)).toEqual({
      warnings: ["The chat template fails for a system message: No system role"],
    });
    expect((await t.models.describe(t.alice.principal, "acme/picky")).supportsChat).toBe(true);
    await writeTinyModel(folder, { chatTemplate: "{% for %}" });
    await t.upload("garbled", folder);
    const { warnings } = await t.succeed("GET", `${MODELS}/garbled:validateUpload`);
    expect(warnings).toEqual([expect.stringMatching(/not valid Jinja, so chat completions are off/)]);
    expect((await t.models.describe(t.alice.principal, "acme/garbled")).supportsChat).toBe(false);
  });

  test.each<[string, (folder: string) => void, RegExp]>([
    ["no configuration", (folder) => rmSync(join(folder, "config.json")), /config\.json/],
    [
      "an invalid configuration",
      (folder) => writeFileSync(join(folder, "config.json"), "<html>"),
      /config\.json/,
    ],
    [
      "an unknown architecture",
      (folder) => patchJson(folder, "config.json", { architectures: ["MambaForCausalLM"] }),
      /Mamba/,
    ],
    [
      "a quantized checkpoint",
      (folder) => patchJson(folder, "config.json", { quantization_config: {} }),
      /quantization_config/,
    ],
    ["no tokenizer", (folder) => rmSync(join(folder, "tokenizer.json")), /tokenizer/],
    [
      "weights of another shape",
      (folder) => patchJson(folder, "config.json", { intermediate_size: 128 }),
      /mlp|shape/,
    ],
    [
      "truncated weights",
      (folder) =>
        writeFileSync(
          join(folder, "model.safetensors"),
          readFileSync(join(folder, "model.safetensors")).subarray(0, 5_000),
        ),
      /model\.safetensors/,
    ],
    [
      "an overflowing header",
      (folder) => writeFileSync(join(folder, "model.safetensors"), Buffer.alloc(64, 255)),
      /model\.safetensors/,
    ],
  ])(
    "with %s is refused by the file's name, and passes after a correction",
    async (what, damage, message) => {
      const id = what.replaceAll(/\W/g, "-");
      const folder = t.newFolder();
      await writeTinyModel(folder);
      damage(folder);
      await t.upload(id, folder);
      const response = await validate(id);
      expect([response.status, response.json.code], response.text).toEqual([400, 3]);
      expect(response.json.message).toMatch(message);
      expect(response.text).not.toContain(folder);
      const { state, status } = await t.succeed("GET", `${MODELS}/${id}`);
      expect({ state, status }).toEqual({
        state: "UPLOADING",
        status: { code: "INVALID_ARGUMENT", message: response.json.message },
      });
      await expect(t.models.deployable(t.alice.principal, `acme/${id}`)).rejects.toMatchObject({
        code: "FAILED_PRECONDITION",
      });
      await writeTinyModel(folder);
      await sendFiles(t.succeed, `${MODELS}/${id}`, folder);
      expect(await t.succeed("GET", `${MODELS}/${id}:validateUpload`)).toEqual({ warnings: [] });
    },
  );
});

function patchJson(folder: string, name: string, fields: object): void {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...fields }));
}

describe("an upload of a GGUF file", () => {
  test("runs without a conversion", async () => {
    const folder = t.newFolder();
    const source = await randomModel();
    copyFileSync(source, join(folder, "weights.gguf"));
    await t.upload("gguf", folder);
    await t.succeed("GET", `${MODELS}/gguf:validateUpload`);
    const model = await t.succeed("GET", `${MODELS}/gguf`);
    expect(model).toMatchObject({
      state: "READY",
      contextLength: 8192,
      supportsLora: true,
      baseModelDetails: { checkpointFormat: "NATIVE", huggingfaceFiles: [], modelType: "llama" },
    });
    expect(model.conversationConfig.template).toContain("message");
    const path = await (await t.models.deployable(t.alice.principal, "acme/gguf")).fetch({
      signal,
      onPhase() {},
    });
    expect(readFileSync(path).equals(readFileSync(source))).toBe(true);
    const [stored] = (await t.blobs.list("models/acme/")).filter(({ key }) => key.endsWith("/weights.gguf"));
    const kept = await t.blobs.read(stored!.key).then((stream) => stream.toArray());
    await t.blobs.delete(stored!.key);
    await expect(
      (await t.models.deployable(t.alice.principal, "acme/gguf")).fetch({ signal, onPhase() {} }),
    ).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message:
        "Model accounts/acme/models/gguf can't be run: its uploaded file weights.gguf is missing in the file store.",
    });
    await t.blobs.write(stored!.key, Readable.from(kept), { maxBytes: 2 ** 40 });
    const response = await t.call(t.alice.key, "POST", `${MODELS}/gguf:prepare`, {});
    expect([response.status, response.json.code]).toEqual([400, 9]);
  });

  test("that is damaged is refused", async () => {
    const folder = t.newFolder();
    writeFileSync(join(folder, "weights.gguf"), Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(100, 255)]));
    await t.upload("bad-gguf", folder);
    const response = await validate("bad-gguf");
    expect([response.status, fieldOf(response)], response.text).toEqual([400, "weights.gguf"]);
  });
});

describe("an addon", () => {
  const addon = (baseModel: string, details: object = {}) => ({ peftDetails: { baseModel, ...details } });

  test("is checked against its base model and changes the base model's output", async () => {
    const folder = t.newFolder();
    await writeTinyLora(folder, { seed: 5, rank: 8 });
    await t.upload("lora", folder, addon("acme/tiny"));
    expect(await t.succeed("GET", `${MODELS}/lora:validateUpload`)).toEqual({ warnings: [] });
    const model = await t.succeed("GET", `${MODELS}/lora`);
    expectAnswer("getModel", model);
    expect(model).toMatchObject({
      kind: "HF_PEFT_ADDON",
      state: "READY",
      contextLength: 512,
      supportsLora: false,
      precisions: [],
      peftDetails: {
        baseModel: "accounts/acme/models/tiny",
        r: 8,
        targetModules: ["q_proj", "v_proj"],
        baseModelType: "LlamaForCausalLM",
      },
    });
    expect(await t.models.describe(t.alice.principal, "acme/lora")).toMatchObject({
      kind: "addon",
      baseModel: "accounts/acme/models/tiny",
      supportsChat: true,
    });
    const fetched = async (name: string) =>
      (await t.models.deployable(t.alice.principal, name)).fetch({ signal, onPhase() {} });
    const [base, lora] = [await fetched("acme/tiny"), await fetched("acme/lora")];
    expect(await answerOf(base, lora)).not.toBe(await answerOf(base));
    const prepared = await t.call(t.alice.key, "POST", `${MODELS}/lora:prepare`, {});
    expect([prepared.status, prepared.json.code]).toEqual([400, 9]);
  });

  test("whose base model is in the library is checked against the library's weights", async () => {
    const folder = t.newFolder();
    await writeTinyLora(folder, { shape: SMOLLM2_135M_SHAPE });
    writeFileSync(
      join(folder, "fireworks.json"),
      JSON.stringify({ conversation_config: { style: "jinja", args: { template: "own" } } }),
    );
    await t.upload("library-lora", folder, addon(DEFAULT_MODEL));
    await t.succeed("GET", `${MODELS}/library-lora:validateUpload`);
    const deployable = await t.models.deployable(t.alice.principal, "acme/library-lora");
    expect(deployable).toMatchObject({ chatTemplate: "own", baseModel: DEFAULT_MODEL });
    expect(existsSync(await deployable.fetch({ signal, onPhase() {} }))).toBe(true);
  });

  test.each<[string, object, object, string | null, RegExp]>([
    ["of another base model", { shape: SMOLLM2_135M_SHAPE }, {}, "adapter_model.safetensors", /shape/],
    ["of a rank too large", { rank: 128 }, {}, "adapter_config.json", /4 and 64/],
    [
      "of an unsupported module",
      { config: { target_modules: ["lm_head"] } },
      {},
      "adapter_config.json",
      /lm_head/,
    ],
    ["of another rank than declared", { rank: 8 }, { r: 16 }, "peftDetails.r", /r 8/],
    [
      "of other modules than declared",
      {},
      { targetModules: ["k_proj"] },
      "peftDetails.targetModules",
      /q_proj/,
    ],
  ])("%s is refused", async (what, files, details, field, message) => {
    const folder = t.newFolder();
    await writeTinyLora(folder, files);
    const id = what.replaceAll(/\W/g, "-");
    await t.upload(id, folder, addon("acme/tiny", details));
    const response = await validate(id);
    expect([response.status, fieldOf(response)], response.text).toEqual([400, field]);
    expect(response.json.message).toMatch(message);
  });

  test("uploaded as a base model is refused, and the other way round", async () => {
    const folder = t.newFolder();
    await writeTinyLora(folder);
    await t.upload("not-base", folder);
    expect((await validate("not-base")).json.message).toContain("HF_PEFT_ADDON");
    await t.upload("not-addon", tiny, addon("acme/tiny"));
    expect((await validate("not-addon")).json.message).toContain("HF_BASE_MODEL");
  });

  test("can't be validated while its base model has no weights, and can't run after its base model is deleted", async () => {
    const folder = t.newFolder();
    await writeTinyLora(folder);
    await t.upload("weightless", folder, addon("fireworks/llama-v3p1-8b-instruct"));
    const response = await validate("weightless");
    expect([response.status, response.json.code], response.text).toEqual([400, 9]);
    await t.upload("short-lived", tiny);
    await t.succeed("GET", `${MODELS}/short-lived:validateUpload`);
    await t.upload("orphan", folder, addon("acme/short-lived"));
    await t.succeed("GET", `${MODELS}/orphan:validateUpload`);
    await t.succeed("DELETE", `${MODELS}/short-lived`);
    const orphan = await t.models.deployable(t.alice.principal, "acme/orphan");
    await expect(orphan.fetch({ signal, onPhase() {} })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
    });
  });
});

describe("an upload", () => {
  const endpoint = (id: string, body: object) =>
    t.call(t.alice.key, "POST", `${MODELS}/${id}:getUploadEndpoint`, body);
  const sizes = (names: Record<string, number | string>) => ({
    filenameToSize: Object.fromEntries(Object.entries(names).map(([name, size]) => [name, String(size)])),
  });
  async function createModel(id: string): Promise<string> {
    await t.succeed("POST", MODELS, { modelId: id, model: { kind: "HF_BASE_MODEL" } });
    return id;
  }

  test("that has not arrived is named in the error", async () => {
    const id = await createModel("missing");
    expect((await validate(id)).json).toMatchObject({ code: 9 });
    const { json } = await endpoint(
      id,
      sizes({ "config.json": 2, "b/model.safetensors": 5, "tokenizer.json": 3 }),
    );
    expectAnswer("getModelUploadEndpoint", json);
    expect(Object.keys(json.filenameToSignedUrls).sort()).toEqual([
      "b/model.safetensors",
      "config.json",
      "tokenizer.json",
    ]);
    await put(json.filenameToSignedUrls["config.json"], "{}");
    const response = await validate(id);
    expect([response.status, response.json.code, response.json.message]).toEqual([
      400,
      9,
      "Not uploaded yet: b/model.safetensors, tokenizer.json.",
    ]);
    const masked = await endpoint(id, { ...sizes({ "config.json": 2 }), readMask: "filenameToUnsignedUris" });
    expect(masked.json).toEqual({ filenameToUnsignedUris: {} });
  });

  test("can be resumed, and is refused when its size differs", async () => {
    const id = await createModel("resumed");
    const { json } = await endpoint(id, { ...sizes({ "config.json": 4 }), enableResumableUpload: true });
    const url = json.filenameToSignedUrls["config.json"];
    const piece = await fetch(url, {
      method: "PUT",
      body: "{ ",
      headers: { "content-range": "bytes 0-1/4" },
    });
    expect([piece.status, piece.headers.get("range")]).toEqual([308, "bytes=0-1"]);
    expect(await put(url, "{   }")).toBe(400);
    const rest = await fetch(url, { method: "PUT", body: " }", headers: { "content-range": "bytes 2-3/4" } });
    expect(rest.status).toBe(200);
    expect(await put(url, "{!!}")).toBe(409);
  });

  test("can't be changed by its upload URLs after the check", async () => {
    const id = await createModel("sealed");
    const config = readFileSync(join(tiny, "config.json"));
    const early = await endpoint(id, sizes({ "config.json": config.length }));
    await sendFiles(t.succeed, `${MODELS}/${id}`, tiny);
    await t.succeed("GET", `${MODELS}/${id}:validateUpload`);
    const evil = Buffer.alloc(config.length, 32);
    expect(await put(early.json.filenameToSignedUrls["config.json"], evil)).toBe(200);
    const { filenameToSignedUrls } = await t.succeed("GET", `${MODELS}/${id}:getDownloadEndpoint`);
    expectAnswer("getModelDownloadEndpoint", { filenameToSignedUrls });
    expect(Object.keys(filenameToSignedUrls).sort()).toEqual(readdirSync(tiny).sort());
    const download = await fetch(filenameToSignedUrls["config.json"]);
    expect(Buffer.from(await download.arrayBuffer()).equals(config)).toBe(true);
    const late = await endpoint(id, sizes({ "config.json": 2 }));
    expect([late.status, late.json.code]).toEqual([400, 9]);
    expect(await t.succeed("GET", `${MODELS}/${id}:validateUpload`)).toEqual({ warnings: [] });
  });

  test.each(["../config.json", "a/../../b", "/etc/passwd", "C:\\x", "a\\b", "a//b", "", "."])(
    "of a file named %j is refused before a URL is created",
    async (name) => {
      const id = "names";
      await t.call(t.alice.key, "POST", MODELS, { modelId: id, model: { kind: "HF_BASE_MODEL" } });
      const response = await endpoint(id, sizes({ "config.json": 2, [name]: 2 }));
      expect([response.status, fieldOf(response)], response.text).toEqual([400, "filenameToSize"]);
      expect((await validate(id)).json.message).toContain("No files were declared");
    },
  );

  test("as trainers write it becomes READY without their other files, which get no URL and are never stored", async () => {
    const folder = t.newFolder();
    await writeTinyModel(folder);
    const own = readdirSync(folder).sort();
    for (const name of ["training_args.bin", "optimizer.pt", "pytorch_model.bin", "a b.json"]) {
      writeFileSync(join(folder, name), "pickle");
    }
    for (const name of ["runs/host", "original", "checkpoint-7"]) {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, "consolidated.00.pth"), "pickle");
    }
    await t.upload("trained", folder);
    await t.succeed("GET", `${MODELS}/trained:validateUpload`);
    const { state, baseModelDetails } = await t.succeed("GET", `${MODELS}/trained`);
    expect([state, baseModelDetails.huggingfaceFiles]).toEqual(["READY", own]);
  });

  test("of pickles alone is refused with the reason, before or after it is sent", async () => {
    const id = await createModel("pickles");
    const response = await endpoint(id, sizes({ "pytorch_model.bin": 2, "optimizer.pt": 2 }));
    expect([response.status, fieldOf(response)], response.text).toEqual([400, "filenameToSize"]);
    expect(response.json.message).toMatch(/pytorch_model\.bin is a pickle.*safetensors/);
    const folder = t.newFolder();
    await writeTinyModel(folder);
    renameSync(join(folder, "model.safetensors"), join(folder, "pytorch_model.bin"));
    await sendFiles(t.succeed, `${MODELS}/${id}`, folder);
    const checked = await validate(id);
    expect([checked.status, fieldOf(checked)], checked.text).toEqual([400, "model.safetensors"]);
    expect(checked.json.message).toMatch(/not from pickles such as pytorch_model\.bin/);
  });

  test.each<[string, Record<string, number | string>]>([
    ["no file", {}],
    ["a file of 10^18 bytes", { "a.safetensors": "1000000000000000000" }],
    [
      "files of more than 2 TB together",
      Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`${i}.safetensors`, 5e11])),
    ],
    ["1,001 files", Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`f${i}`, 1]))],
    ["names that differ only in case", { "Config.json": 2, "config.json": 2 }],
    ["a file and a folder with the same name", { a: 2, "a/b": 2 }],
  ])("of %s is refused", async (_, names) => {
    await t.call(t.alice.key, "POST", MODELS, { modelId: "sizes", model: { kind: "HF_BASE_MODEL" } });
    const response = await endpoint("sizes", sizes(names));
    expect([response.status, fieldOf(response)], response.text).toEqual([400, "filenameToSize"]);
  });

  test.each(["-1", "1.5", "1e3", "ten", ""])("of the size %j is refused", async (size) => {
    await t.call(t.alice.key, "POST", MODELS, { modelId: "sizes", model: { kind: "HF_BASE_MODEL" } });
    const response = await endpoint("sizes", { filenameToSize: { "config.json": size } });
    expect([response.status, fieldOf(response)], response.text).toEqual([400, "filenameToSize.config.json"]);
  });

  test.each(["skipHfConfigValidation", "trustRemoteCode", "configOnly"])(
    "is refused when %s asks for a weaker check",
    async (param) => {
      const response = await t.call(t.alice.key, "GET", `${MODELS}/tiny:validateUpload?${param}=true`);
      expect([response.status, fieldOf(response)]).toEqual([400, param]);
    },
  );

  test("is checked once when several requests validate it at the same time", async () => {
    await t.upload("at-once", tiny);
    const responses = await Promise.all([1, 2, 3].map(() => validate("at-once")));
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  test("leaves no files when its model is deleted, late uploads included, and the id can be used again", async () => {
    await t.upload("deleted", tiny);
    const { json } = await endpoint("deleted", sizes({ "late.json": 2 }));
    await t.succeed("DELETE", `${MODELS}/deleted`);
    const ours = async () =>
      (await t.database.sql`select uid from models where account_id = 'acme'`).map((row) => row["uid"]);
    const strays = async () => {
      const uids = await ours();
      return (await t.blobs.list("models/acme/")).filter(({ key }) => !uids.includes(key.split("/")[2]));
    };
    expect(await strays()).toEqual([]);
    expect(await put(json.filenameToSignedUrls["late.json"], "{}")).toBe(200);
    expect(await strays()).toHaveLength(1);
    t.clock.advance(48 * 3_600_000);
    await t.models.tick();
    expect(await strays()).toEqual([]);
    await createModel("deleted");
    expect((await validate("deleted")).json.message).toContain("No files were declared");
  });
});
