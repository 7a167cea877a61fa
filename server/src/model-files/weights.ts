/** The tensors of a Hugging Face folder: in one safetensors file, or in several with an index. */
import { readdir } from "node:fs/promises";
import { ModelFileError } from "./errors.ts";
import { FileBytes, plainName } from "./file-bytes.ts";
import { quoted, readJsonFile } from "./json.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";

const MAX_INDEX_BYTES = 32 * 1024 ** 2;
const MAX_SHARDS = 1000;
const PICKLE = /\.(bin|pt|pth|ckpt|pkl|pickle)$/i;
const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";

const MISSING_WEIGHTS =
  "is missing: weights are read from safetensors, and not from pickles such as pytorch_model.bin.";

export interface Weights {
  tensors: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/**
 * Opens all weight files. The caller must call `close`.
 * @throws ModelFileError, also when there are only pickles
 */
export async function openWeights(folder: string): Promise<Weights> {
  const names = await readdir(folder);
  if (names.includes(INDEX_FILE)) return await openSharded(folder);
  if (names.includes(SINGLE_FILE)) return await openSafetensorsFile(folder, SINGLE_FILE);
  throw missingWeightsError(names, SINGLE_FILE);
}

export async function openSafetensorsFile(folder: string, name: string): Promise<Weights> {
  return openAll(folder, [name], () => {});
}

/** The error for a folder without weights. It explains why pickles are refused when there are some. */
export function missingWeightsError(names: readonly string[], expected: string): ModelFileError {
  const pickle = names.find((name) => PICKLE.test(name));
  if (pickle === undefined) {
    return new ModelFileError(expected, expected.endsWith(".safetensors") ? MISSING_WEIGHTS : "is missing.");
  }
  return new ModelFileError(
    pickle,
    "is a pickle: loading it could run any program hidden in it. Save the weights as safetensors and upload those.",
  );
}

async function openSharded(folder: string): Promise<Weights> {
  const index = await readJsonFile(folder, INDEX_FILE, MAX_INDEX_BYTES);
  const map = index.object("weight_map");
  const shardOf = new Map(map.keys().map((tensor) => [tensor, map.text(tensor)]));
  const shards = [...new Set(shardOf.values())];
  if (shards.length === 0 || shards.length > MAX_SHARDS) {
    throw new ModelFileError(INDEX_FILE, `must name 1 to ${MAX_SHARDS} files in weight_map.`);
  }
  for (const shard of shards) {
    if (!plainName(shard).endsWith(".safetensors")) {
      throw new ModelFileError(INDEX_FILE, `names ${quoted(shard)}, which is no safetensors file.`);
    }
  }
  return openAll(folder, shards, (tensors) => {
    for (const [name, shard] of shardOf) {
      if (tensors.get(name)?.file.name !== shard) {
        throw new ModelFileError(
          INDEX_FILE,
          `says that ${quoted(name)} is in ${quoted(shard)}, but it is not.`,
        );
      }
    }
  });
}

async function openAll(
  folder: string,
  names: readonly string[],
  check: (tensors: ReadonlyMap<string, StoredTensor>) => void,
): Promise<Weights> {
  const files: FileBytes[] = [];
  const close = async () => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const name of names) {
      const file = await FileBytes.open(folder, name);
      files.push(file);
      for (const tensor of await readSafetensors(file)) {
        if (tensors.has(tensor.name)) {
          throw new ModelFileError(
            name,
            `has the tensor ${quoted(tensor.name)}, which is in another file too.`,
          );
        }
        tensors.set(tensor.name, tensor);
      }
    }
    check(tensors);
    return { tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}
