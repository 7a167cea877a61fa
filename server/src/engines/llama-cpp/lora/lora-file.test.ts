import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ggufHead, ggufTensor, setting, type Tensor } from "../../../../test/harness/gguf.ts";
import { EngineError } from "../../../engine/errors.ts";
import { checkLoraFile, type LoraBaseModel, MAX_LORA_RANK } from "./lora-file.ts";

const Q = "blk.0.attn_q.weight";
const BASE: LoraBaseModel = {
  architecture: "llama",
  tensors: new Map([
    [Q, [64, 32]],
    ["blk.0.attn_norm.weight", [64]],
    ["blk.0.ffn_gate.weight", [64, 96, 8]],
    ["token_embd.weight", [64, 100]],
    ["output.weight", [64, 100]],
  ]),
};
const SETTINGS = {
  type: setting.text("general.type", "adapter"),
  architecture: setting.text("general.architecture", "llama"),
  kind: setting.text("adapter.type", "lora"),
  alpha: setting.float("adapter.lora.alpha", 16),
};
const pair = (target: string, a: number[], b: number[]): Tensor[] => [
  { name: `${target}.lora_a`, shape: a },
  { name: `${target}.lora_b`, shape: b },
];
const GOOD = pair(Q, [64, 4], [4, 32]);

function loraFile(
  tensors: readonly Tensor[] = GOOD,
  settings: Partial<Record<keyof typeof SETTINGS | "more", Buffer | null>> = {},
): Buffer {
  const present = Object.values({ ...SETTINGS, ...settings }).filter((value) => value !== null);
  const data = tensors.map(({ shape }) => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5));
  return Buffer.concat([ggufHead(present as Buffer[], tensors), ...data.map(ggufTensor)]);
}

/** The bytes with those after the first occurrence of `found`, and after `after` more bytes, replaced. */
function replaced(bytes: Buffer, found: string | Buffer, by: Buffer, after = 0): Buffer {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(found);
  expect(at).toBeGreaterThanOrEqual(0);
  by.copy(copy, at + Buffer.byteLength(found) + after);
  return copy;
}

const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: bigint) => Buffer.from(BigUint64Array.of(value).buffer);
/** Offsets of a tensor's fields after its name; the number of dimensions comes first. */
const [SHAPE, TYPE, OFFSET] = [4, 20, 24];
const nameOf = ({ name }: Tensor) => Buffer.from(name);
const dataAt = (bytes: Buffer, tensors: readonly Tensor[]) =>
  bytes.length - tensors.reduce((sum, { shape }) => sum + 4 * shape[0]! * shape[1]!, 0);

describe("the file of a LoRA", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hearth-adapter-file-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const check = async (bytes: Buffer, base = BASE) => {
    const path = join(folder, "adapter.gguf");
    await writeFile(path, bytes);
    await checkLoraFile(path, base);
  };

  it("is accepted when all of it fits the model", async () => {
    await check(loraFile());
    await check(loraFile([...GOOD, ...pair("output.weight", [64, 8], [8, 100])]));
    await check(loraFile(pair("token_embd.weight", [8, 100], [8, 64])));
  });

  it.each<[string, () => Buffer, RegExp]>([
    ["is empty", () => Buffer.alloc(0), /damaged/],
    ["is not a GGUF file", () => Buffer.from("GGUX".repeat(100)), /damaged/],
    ["is a model", () => loraFile(GOOD, { type: setting.text("general.type", "model") }), /no LoRA/],
    ["has a number as its type", () => loraFile(GOOD, { type: setting.uint("general.type", 7) }), /no LoRA/],
    ["is a control vector", () => loraFile(GOOD, { kind: setting.text("adapter.type", "cv") }), /no LoRA/],
    [
      "is for another architecture",
      () => loraFile(GOOD, { architecture: setting.text("general.architecture", "gemma") }),
      /architecture than llama/,
    ],
    ["has no alpha", () => loraFile(GOOD, { alpha: null }), /alpha/],
    [
      "has NaN as its alpha",
      () => loraFile(GOOD, { alpha: setting.float("adapter.lora.alpha", Number.NaN) }),
      /alpha/,
    ],
    [
      "has a text for alpha",
      () => loraFile(GOOD, { alpha: setting.text("adapter.lora.alpha", "16") }),
      /alpha/,
    ],
    [
      "is activated by tokens (aLoRA)",
      () => loraFile(GOOD, { more: setting.uint("adapter.alora.invocation_tokens", 1) }),
      /aLoRA/,
    ],
    ["has a repeated setting", () => loraFile(GOOD, { more: SETTINGS.type }), /damaged/],
    ["has a bad alignment", () => loraFile(GOOD, { more: setting.uint("general.alignment", 3) }), /damaged/],
    ["has no tensors", () => loraFile([]), /no tensors/],
    ["has one matrix of a pair", () => loraFile(GOOD.slice(0, 1)), /only half of blk\.0\.attn_q/],
    ["has a repeated tensor", () => loraFile([...GOOD, GOOD[0]!]), /damaged/],
    ["changes a norm", () => loraFile(pair("blk.0.attn_norm.weight", [64, 1], [1, 1])), /can't be changed/],
    [
      "changes a tensor with an invalid name",
      () => loraFile(pair("blk.0.x/../y.weight", [64, 1], [1, 1])),
      /damaged/,
    ],
    [
      "changes a layer that the model lacks",
      () => loraFile(pair("blk.9.attn_q.weight", [64, 1], [1, 32])),
      /doesn't have/,
    ],
    [
      "changes a three-dimensional tensor",
      () => loraFile(pair("blk.0.ffn_gate.weight", [64, 2], [2, 96])),
      /doesn't fit/,
    ],
    ["has a wrong number of columns", () => loraFile(pair(Q, [63, 4], [4, 32])), /doesn't fit.*64×32.*63×4/],
    ["has a wrong number of rows", () => loraFile(pair(Q, [64, 4], [4, 33])), /doesn't fit/],
    ["has matrices of different ranks", () => loraFile(pair(Q, [64, 4], [5, 32])), /doesn't fit/],
    [
      "has too high a rank",
      () => loraFile(pair(Q, [64, MAX_LORA_RANK + 1], [MAX_LORA_RANK + 1, 32])),
      /at most 512/,
    ],
    ["is cut off within its head", () => loraFile().subarray(0, 200), /damaged/],
    ["is cut off within its tensors", () => loraFile().subarray(0, -64), /cut off/],
    [
      "has a misplaced tensor",
      () => replaced(loraFile(), nameOf(GOOD[1]!), u64(1n << 62n), OFFSET),
      /damaged/,
    ],
    [
      "has a shape that overflows",
      () => replaced(loraFile(), nameOf(GOOD[0]!), u64(2n ** 63n), SHAPE),
      /damaged/,
    ],
    ["has 64-bit floats", () => replaced(loraFile(), nameOf(GOOD[0]!), u32(28), TYPE), /type.*not supported/],
    ["claims to have very many settings", () => replaced(loraFile(), "GGUF", u64(2n ** 40n), 12), /damaged/],
  ])("is refused when it %s", async (_, make, message) => {
    const error = await check(make()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "EngineError", code: "invalid" });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain(folder);
  });

  it("is refused when it can't be read", async () => {
    const missing = checkLoraFile(join(folder, "missing"), BASE);
    await expect(missing).rejects.toMatchObject({
      code: "invalid",
      message: expect.not.stringContaining(folder),
    });
  });

  it("is refused when it changes an embedding that is tied to the output matrix", async () => {
    const tensors = new Map(BASE.tensors);
    tensors.delete("output.weight");
    const tied = check(loraFile(pair("token_embd.weight", [8, 100], [8, 64])), { ...BASE, tensors });
    await expect(tied).rejects.toMatchObject({ code: "invalid", message: /embedding/ });
  });

  it.each([
    ["F32", 0, 4, [0x7f80_0000, 0xff80_0000, 0x7fc0_0001]],
    ["F16", 1, 2, [0x7c00, 0xfc00, 0x7e01]],
    ["BF16", 30, 2, [0x7f80, 0xff80, 0x7fc1]],
    ["Q8_0", 8, 34, [0x7c00, 0xfc00, 0x7e01]],
  ] as const)(
    "is refused when it has NaN or infinity of type %s anywhere",
    async (type, id, blockBytes, bad) => {
      const tensors = pair(Q, [64, 32], [32, 32]);
      let bytes = loraFile(tensors);
      for (const tensor of tensors) bytes = replaced(bytes, nameOf(tensor), u32(id), TYPE);
      const items = type === "Q8_0" ? 32 : 1;
      const second = (64 * 32 * blockBytes) / items;
      bytes = replaced(bytes, nameOf(tensors[1]!), u64(BigInt(second)), OFFSET);
      const start = dataAt(bytes, tensors);
      bytes.fill(0, start);
      await check(bytes);
      const blocks = (3 * 1024) / items;
      for (const block of [0, 1, blocks / 2, blocks - 1]) {
        for (const value of bad) {
          const broken = Buffer.from(bytes);
          u32(value).copy(broken, start + block * blockBytes, 0, type === "F32" ? 4 : 2);
          await expect(check(broken)).rejects.toMatchObject({ code: "invalid", message: /NaN or infinity/ });
        }
      }
    },
  );

  it("is accepted or refused without a crash, whatever its bytes are", async () => {
    const good = loraFile();
    const change = fc.tuple(fc.nat(600), fc.uint8Array({ minLength: 1, maxLength: 9 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat(), async (changes, cut) => {
        const bytes = Buffer.from(cut % 4 === 0 ? good.subarray(0, (cut / 4) % good.length) : good);
        for (const [at, by] of changes) Buffer.from(by).copy(bytes, Math.min(at, bytes.length));
        const error = await check(bytes).catch((thrown: unknown) => thrown);
        if (error !== undefined) expect(error).toBeInstanceOf(EngineError);
      }),
      { numRuns: 300 },
    );
  });
});
