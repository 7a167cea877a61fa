import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchReplica, textRequest } from "../engines/llama-cpp/testing.ts";
import {
  checkLora,
  checkModelConfig,
  convertLora,
  convertToGguf,
  inspect,
  ModelFileError,
} from "./service.ts";
import { TINY_LLAMA, TINY_TEMPLATE, writeTinyLora, writeTinyModel } from "./testing.ts";

const signal = new AbortController().signal;
let root: string;
let model: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "hearth-model-files-"));
  model = join(root, "model");
  await writeTinyModel(model);
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("a converted model generates text in the engine with its own chat template and end token", async () => {
  const path = join(root, "model.gguf");
  const steps: number[] = [];
  await convertToGguf(model, path, {
    type: "Q8_0",
    signal,
    onProgress: (done, total) => steps.push(done / total),
  });
  expect(steps.at(-1)).toBe(1);
  const { engine, dispose } = await launchReplica({
    modelPath: path,
    slots: 1,
    contextSize: 256,
    threads: 1,
  });
  try {
    expect(engine.model).toMatchObject({ contextLength: 256, bosToken: "<|begin|>", eosToken: "<|end|>" });
    expect(engine.model.chatTemplate).toContain("assistant:");
    let finished = "";
    for await (const event of engine.generate(textRequest("Hello", { maxTokens: 5 }), signal)) {
      if (event.type === "finish") finished = event.reason;
    }
    expect(finished).toBe("length");
  } finally {
    await dispose();
  }
});

test("LoRAs are checked and converted, and more concurrent jobs than threads all finish", async () => {
  const adapter = join(root, "adapter");
  await writeTinyLora(adapter);
  const jobs = Array.from({ length: 5 }, () => checkLora(adapter, model));
  await convertLora({ folder: adapter, base: model, outFile: join(root, "adapter.gguf") }, { signal });
  expect((await Promise.all(jobs)).map(({ rank }) => rank)).toEqual([8, 8, 8, 8, 8]);
  expect(await readdir(root)).toContain("adapter.gguf");
});

test("a ModelFileError in the worker thread reaches the caller as a ModelFileError", async () => {
  const folder = await mkdtemp(join(root, "empty-"));
  const error = await inspect(folder).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ModelFileError);
  expect(error).toMatchObject({
    file: "config.json",
    reason: "is missing.",
    message: "config.json: is missing.",
  });
  await expect(inspect(join(root, "nowhere"))).rejects.toThrow(/ENOENT/);
});

test("an aborted conversion leaves no files and rejects with the signal's reason", async () => {
  const folder = await mkdtemp(join(root, "aborted-"));
  const reason = new Error("no longer wanted");
  await expect(
    convertToGguf(model, join(folder, "x.gguf"), { type: "F16", signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
  const abort = new AbortController();
  const conversion = convertToGguf(model, join(folder, "x.gguf"), { type: "F16", signal: abort.signal });
  abort.abort(reason);
  await expect(conversion).rejects.toBe(reason);
  expect(await readdir(folder)).toEqual([]);
});

test("a configuration is checked without the model's other files", async () => {
  const config = JSON.stringify(TINY_LLAMA);
  await checkModelConfig(config);
  await checkModelConfig(config, JSON.stringify({ chat_template: TINY_TEMPLATE }));
  await expect(checkModelConfig("[]")).rejects.toThrow("config.json: its JSON must be an object.");
  await expect(checkModelConfig(config.replace("silu", "relu"))).rejects.toThrow(/config\.json: hidden_act/);
  await expect(checkModelConfig(config, JSON.stringify({ chat_template: "{% if" }))).rejects.toThrow(
    "tokenizer_config.json: the chat template is not valid Jinja: Unexpected end of input",
  );
});
