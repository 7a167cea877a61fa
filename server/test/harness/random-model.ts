/** A model with random weights and the tokenizer and chat template of the default model. */
import { createCipheriv, createHash, randomUUID } from "node:crypto";
import { copyFile, mkdir, open, rename, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createModelCatalog } from "../../src/control/models/service.ts";
import { weightsCachePath } from "../../src/fleet/weights/ensure-weights.ts";
import { markVerified } from "../../src/fleet/weights/verify.ts";
import { ggufHead, ggufTensor, readTokenizerSettings, setting, type Tensor } from "./gguf.ts";

export interface RandomModelOptions {
  /** Determines the weights. Default 1. */
  seed?: number;
  /**
   * Standard deviation of the logits, > 0. At 1, the default, each of the 49,152 tokens is about as probable as any
   * other, whatever came before; at 10 a few tokens share nearly all of the probability.
   */
  logitSpread?: number;
  layers?: number;
  /** A multiple of 64. */
  width?: number;
}

const HEAD_SIZE = 32;
const CONTEXT_LENGTH = 8192;

/**
 * Resolves with the path of the GGUF file, about 25 MB. The first call writes the file; later calls, also from other
 * processes, find it. The same options always give the same bytes.
 */
export async function randomModel(options: RandomModelOptions = {}): Promise<string> {
  const source = process.env["HEARTH_TEST_MODEL"];
  if (source === undefined) throw new Error("HEARTH_TEST_MODEL is not set: the test run's set-up does that");
  const { seed = 1, logitSpread = 1, layers = 1, width = 64 } = options;
  const { raw, vocabularySize } = await readTokenizerSettings(source);
  const weights = llamaWeights({ vocabularySize, layers, width, logitSpread });
  const head = ggufHead(
    [
      setting.text("general.architecture", "llama"),
      setting.text("general.name", "Random"),
      setting.uint("llama.vocab_size", vocabularySize),
      setting.uint("llama.context_length", CONTEXT_LENGTH),
      setting.uint("llama.embedding_length", width),
      setting.uint("llama.block_count", layers),
      setting.uint("llama.feed_forward_length", 2 * width),
      setting.uint("llama.attention.head_count", width / HEAD_SIZE),
      setting.uint("llama.attention.head_count_kv", width / HEAD_SIZE),
      setting.float("llama.attention.layer_norm_rms_epsilon", 1e-5),
      setting.uint("llama.rope.dimension_count", HEAD_SIZE),
      ...raw,
    ],
    weights,
  );
  const hash = createHash("sha256").update(head).update(JSON.stringify({ seed, weights })).digest("hex");
  const path = join(tmpdir(), `hearth-test-models-${process.getuid?.() ?? 0}`, `${hash.slice(0, 32)}.gguf`);
  if (!(await exists(path))) await write(path, head, weights, seed);
  return path;
}

/**
 * Makes `folder` a cache (`HEARTH_CACHE_DIR`) that holds the random model in place of the default model's weights, so that
 * the unchanged platform serves the random model under the default model's name. Resolves with the folder.
 */
export async function randomModelCache(folder: string, options: RandomModelOptions = {}): Promise<string> {
  const catalogDir = fileURLToPath(new URL("../../../catalog", import.meta.url));
  const weights = createModelCatalog({ catalogDir }).serverless()[0]?.weights;
  if (weights === undefined) throw new Error("the catalog has no default model");
  const path = join(folder, weightsCachePath(weights));
  await mkdir(dirname(path), { recursive: true });
  await copyFile(await randomModel(options), path);
  if ((await stat(path)).size > weights.sizeBytes) throw new Error("larger than the default model");
  // The platform compares the file's size at every start and its checksum only if no marker says that it was verified.
  // The engine never reads past the last tensor, and most file systems store the padding as a hole.
  await truncate(path, weights.sizeBytes);
  await markVerified(path);
  return folder;
}

interface Weights extends Tensor {
  /** Standard deviation; null makes all values 1. */
  spread: number | null;
}

interface Shape {
  vocabularySize: number;
  layers: number;
  width: number;
  logitSpread: number;
}

/** Each layer preserves the variance of its input, so that the logits get the requested standard deviation. */
function llamaWeights({ vocabularySize, layers, width, logitSpread }: Shape): Weights[] {
  const norm = (name: string): Weights => ({ name: `${name}.weight`, shape: [width], spread: null });
  const matrix = (name: string, columns: number, rows: number, spread = 1 / Math.sqrt(columns)): Weights => ({
    name: `${name}.weight`,
    shape: [columns, rows],
    spread,
  });
  const layer = (index: number): Weights[] => {
    const name = (part: string) => `blk.${index}.${part}`;
    return [
      norm(name("attn_norm")),
      ...["q", "k", "v", "output"].map((part) => matrix(name(`attn_${part}`), width, width)),
      norm(name("ffn_norm")),
      matrix(name("ffn_gate"), width, 2 * width),
      matrix(name("ffn_up"), width, 2 * width),
      matrix(name("ffn_down"), 2 * width, width),
    ];
  };
  return [
    matrix("token_embd", width, vocabularySize, 1),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    norm("output_norm"),
    matrix("output", width, vocabularySize, logitSpread / Math.sqrt(width)),
  ];
}

/** Writes to a temporary name and renames, so that no other process finds half a file. */
async function write(path: string, head: Buffer, weights: readonly Weights[], seed: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.${randomUUID()}`;
  try {
    const file = await open(partial, "wx");
    try {
      await file.writeFile(head);
      const words = wordsOf(seed);
      for (const { shape, spread } of weights) {
        const count = shape.reduce((product, length) => product * length, 1);
        // A uniform distribution of this half-width has the standard deviation `spread`; sums of such values are nearly normal.
        const halfWidth = (spread ?? 0) * Math.sqrt(3);
        const values =
          spread === null
            ? new Float32Array(count).fill(1)
            : Float32Array.from(words(count), (word) => (word / 2 ** 31 - 1) * halfWidth);
        await file.writeFile(ggufTensor(values));
      }
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Pseudo-random 32-bit words determined by the seed: a block cipher in counter mode. */
function wordsOf(seed: number): (count: number) => Uint32Array {
  const key = createHash("sha256").update(`random model ${seed}`).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  return (count) => {
    const bytes = new Uint8Array(cipher.update(new Uint8Array(4 * count)));
    return new Uint32Array(bytes.buffer);
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
