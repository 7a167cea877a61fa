import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { convertToGguf } from "./convert/convert.ts";
import { inspect } from "./inspect.ts";
import { TINY_TEMPLATE, writeJson, writeTinyLora, writeTinyModel } from "./testing.ts";

const signal = new AbortController().signal;
let root: string;
let folder: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "hearth-inspect-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(root, "model-"));
});

/**
 * Two embedding matrices; for each of two layers the attention, three feed-forward matrices and two norms; the output
 * norm.
 */
const PARAMETERS = 2 * 288 * 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64 + 2 * 64) + 64;

describe("inspect", () => {
  test("returns the facts of a Hugging Face folder", async () => {
    await writeTinyModel(folder, { type: "BF16", shards: 2 });
    await writeFile(join(folder, "README.md"), "# hello");
    await mkdir(join(folder, "original"));
    expect(await inspect(folder)).toEqual({
      format: "huggingface",
      architecture: "LlamaForCausalLM",
      parameterCount: PARAMETERS,
      contextLength: 512,
      weightType: "BF16",
      chatTemplate: TINY_TEMPLATE,
      supportsTools: false,
      bosToken: "<|begin|>",
      eosToken: "<|end|>",
      moe: false,
      tunable: true,
      supportsLora: true,
      worldSize: 1,
      chatTemplateWarnings: [],
      lora: null,
    });
  });

  test("counts tied embeddings once", async () => {
    await writeTinyModel(folder, { config: { tie_word_embeddings: true } });
    expect((await inspect(folder)).parameterCount).toBe(PARAMETERS - 288 * 64);
  });

  test("returns the same facts for the converted GGUF file", async () => {
    const source = await mkdtemp(join(root, "model-"));
    await writeTinyModel(source);
    await convertToGguf(source, join(folder, "any name.gguf"), { type: "Q8_0", signal });
    expect(await inspect(folder)).toEqual({
      ...(await inspect(source)),
      format: "gguf",
      architecture: "llama",
      weightType: "Q8_0",
      tunable: false,
    });
  });

  test("refuses a GGUF file whose tokenizer is not one that a conversion writes", async () => {
    const source = await mkdtemp(join(root, "model-"));
    await writeTinyModel(source);
    const path = join(folder, "model.gguf");
    await convertToGguf(source, path, { type: "F16", signal });
    const bytes = await readFile(path);
    bytes.write("Hostile!!", bytes.indexOf('"ByteLevel"') + 1);
    await writeFile(path, bytes);
    await expect(inspect(folder)).rejects.toThrow("model.gguf: hearth.tokenizer is damaged.");
  });

  test("does without an invalid chat template, and says why", async () => {
    await writeTinyModel(folder, { chatTemplate: "{% for %}" });
    expect(await inspect(folder)).toMatchObject({
      chatTemplate: null,
      supportsTools: false,
      chatTemplateWarnings: [expect.stringMatching(/^The chat template is not valid Jinja, so chat/)],
    });
  });

  test("keeps a chat template that fails for some conversations, and says for which", async () => {
    const chatTemplate =
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system') }}{% endif %}{% endfor %}" +
      "{% for t in tools or [] %}{{ t.function.parameters.required[0] }}{% endfor %}{{ messages[1].tool_calls[0].kind.x }}";
    await writeTinyModel(folder, { chatTemplate });
    const { chatTemplate: kept, chatTemplateWarnings } = await inspect(folder);
    expect(kept).toBe(chatTemplate);
    expect(chatTemplateWarnings).toEqual([
      expect.stringMatching(/^The chat template fails for a question: /),
      "The chat template fails for a system message: No system",
      expect.stringMatching(/^The chat template fails for several turns: /),
      expect.stringMatching(/^The chat template fails for tools: .*has no/),
      expect.stringMatching(/^The chat template fails for a tool call and its result: /),
    ]);
  });

  test("does not wait for a chat template that never ends", async () => {
    const chatTemplate = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    await writeTinyModel(folder, { chatTemplate });
    expect((await inspect(folder)).chatTemplateWarnings).toContain(
      "The chat template fails for a question: the template takes too long",
    );
  });

  test("returns the facts of a LoRA and the chat template beside it", async () => {
    await writeTinyLora(folder, { rank: 4, alpha: 6 });
    await writeJson(folder, "fireworks.json", {
      conversation_config: { style: "jinja", args: { template: "{{ tools }}" } },
    });
    expect(await inspect(folder)).toMatchObject({
      format: "peft",
      parameterCount: 2 * 4 * (64 + 64 + 64 + 32),
      contextLength: null,
      chatTemplate: "{{ tools }}",
      supportsTools: true,
      lora: { rank: 4, alpha: 6, targetModules: ["q_proj", "v_proj"], baseModelName: "tiny" },
    });
  });

  test("returns the facts of the default model", async () => {
    await copyFile(process.env["HEARTH_TEST_MODEL"] as string, join(folder, "model.gguf"));
    expect(await inspect(folder)).toMatchObject({
      architecture: "llama",
      parameterCount: 134_515_008,
      contextLength: 8192,
      eosToken: "<|im_end|>",
    });
  });
});

describe("inspect refuses a folder", () => {
  const refusal = () =>
    inspect(folder).then(
      () => "accepted",
      (error: Error) => error.message,
    );

  test("without a model in it", async () => {
    expect(await refusal()).toBe("config.json: is missing.");
    await writeFile(join(folder, "pytorch_model.bin"), "");
    expect(await refusal()).toMatch(/^pytorch_model\.bin: is a pickle/);
  });

  test("with several GGUF files, or with one that is not a whole model", async () => {
    await writeFile(join(folder, "a-00001-of-00002.gguf"), "GGUF");
    expect(await refusal()).toBe("a-00001-of-00002.gguf: ends within its header.");
    await writeFile(join(folder, "a-00002-of-00002.gguf"), "GGUF");
    expect(await refusal()).toMatch(/^a-00002-of-00002\.gguf: is a second GGUF file/);
  });

  test("whose weights, tokenizer and configuration don't match", async () => {
    await writeTinyModel(folder);
    await rm(join(folder, "tokenizer.json"));
    expect(await refusal()).toBe("tokenizer.json: is missing.");
    await writeTinyModel(folder, { shards: 2 });
    await rm(join(folder, "model-00002-of-00002.safetensors"));
    expect(await refusal()).toBe("model-00002-of-00002.safetensors: is missing.");
  });

  test("with symbolic links in place of files", async () => {
    await writeTinyModel(folder);
    await rm(join(folder, "config.json"));
    await symlink("/etc/hostname", join(folder, "config.json"));
    expect(await refusal()).toBe("config.json: is a symbolic link.");
  });

  test("with a chat template of another style", async () => {
    await writeTinyModel(folder);
    await writeJson(folder, "fireworks.json", { conversation_config: { style: "alpaca", args: {} } });
    expect(await refusal()).toBe("fireworks.json: conversation_config.style must be jinja.");
  });
});
