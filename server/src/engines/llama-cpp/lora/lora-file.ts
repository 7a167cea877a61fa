import { type FileHandle, open } from "node:fs/promises";
import { EngineError } from "../../../engine/errors.ts";
import { assertFiniteTensor } from "./assert-finite-tensor.ts";
import { type GgufHead, type GgufTensor, parseGgufHead } from "./gguf-head.ts";

/** The facts about the base model that a LoRA has to fit. */
export interface LoraBaseModel {
  architecture: string;
  /** Shapes by name; the number of columns comes first. */
  tensors: ReadonlyMap<string, readonly number[]>;
}

export const MAX_LORA_RANK = 512;
const MAX_HEAD_BYTES = 8 * 1024 ** 2;
/** The matrices that llama.cpp applies a LoRA to. For any other one it would be ignored without an error. */
const TARGET_MATRIX =
  /^(blk\.\d{1,4}\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down))|output|token_embd)\.weight$/;
const TOKEN_EMBEDDING = "token_embd.weight";
const LORA_TENSOR = /^(.+)\.lora_(a|b)$/;

/**
 * Checks that the file is a LoRA for this model, and that each of its tensors fits, lies within the file and is finite.
 * llama.cpp ends the process over some bad files, so it must only be given files that pass.
 * @throws EngineError `invalid` with a public message.
 */
export async function checkLoraFile(path: string, base: LoraBaseModel): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    throw new EngineError("invalid", "The LoRA's file does not exist or can't be read.", error);
  }
  try {
    const sizeBytes = (await file.stat()).size;
    const head = await readHead(file, sizeBytes);
    checkSettings(head, base);
    checkTensors(head, base);
    for (const tensor of head.tensors) {
      if (head.dataOffset + tensor.offset + tensor.sizeBytes > sizeBytes) {
        throw refused(`The LoRA's file is cut off: ${tensor.name} is beyond its end.`);
      }
      await assertFiniteTensor(file, head.dataOffset + tensor.offset, tensor);
    }
  } finally {
    await file.close();
  }
}

async function readHead(file: FileHandle, sizeBytes: number): Promise<GgufHead> {
  const length = Math.min(sizeBytes, MAX_HEAD_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  try {
    return parseGgufHead(buffer.subarray(0, bytesRead));
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError("invalid", "The LoRA's file is damaged or no GGUF file of version 3.", error);
  }
}

function checkSettings({ settings }: GgufHead, base: LoraBaseModel): void {
  if (settings.get("general.type") !== "adapter" || settings.get("adapter.type") !== "lora") {
    throw refused("The file holds no LoRA.");
  }
  const architecture = settings.get("general.architecture");
  if (architecture !== base.architecture) {
    throw refused(`The LoRA was made for a model of another architecture than ${base.architecture}.`);
  }
  const alpha = settings.get("adapter.lora.alpha");
  if (typeof alpha !== "number" || !Number.isFinite(alpha)) {
    throw refused("The LoRA's file doesn't say its alpha.");
  }
  if (settings.has("adapter.alora.invocation_tokens")) {
    throw refused("The LoRA is one that certain tokens activate (aLoRA); that is not supported.");
  }
}

function checkTensors({ tensors }: GgufHead, base: LoraBaseModel): void {
  const pairs = new Map<string, { a?: GgufTensor; b?: GgufTensor }>();
  for (const tensor of tensors) {
    const [, target, part] = LORA_TENSOR.exec(tensor.name) ?? [];
    if (target === undefined || !TARGET_MATRIX.test(target)) {
      throw refused(`The LoRA changes a part that can't be changed: ${JSON.stringify(tensor.name)}.`);
    }
    pairs.set(target, { ...pairs.get(target), [part as "a" | "b"]: tensor });
  }
  if (pairs.size === 0) throw refused("The LoRA has no tensors.");
  for (const [target, { a, b }] of pairs) {
    if (a === undefined || b === undefined) throw refused(`The LoRA has only half of ${target}.`);
    checkPair(target, { a, b }, base);
  }
}

/** @param pair the LoRA's two matrices for the base model's matrix `target`. */
function checkPair(target: string, { a, b }: { a: GgufTensor; b: GgufTensor }, base: LoraBaseModel): void {
  const shape = base.tensors.get(target);
  if (shape === undefined) throw refused(`The LoRA changes ${target}, which the model doesn't have.`);
  // With tied embeddings llama.cpp would apply the LoRA to the output matrix too, where its shapes don't fit.
  if (target === TOKEN_EMBEDDING && !base.tensors.has("output.weight")) {
    throw refused("The LoRA changes the token embedding, which this model also makes its output with.");
  }
  const [columns, rows] = shape;
  // The embedding is a table whose rows are looked up and not multiplied with, so its LoRA matrices are transposed.
  const transposed = target === TOKEN_EMBEDDING;
  const [rank, inputs] = transposed ? [a.shape[0]!, a.shape[1]] : [a.shape[1]!, a.shape[0]];
  const [expectedInputs, expectedOutputs] = transposed ? [rows, columns] : [columns, rows];
  const fits = inputs === expectedInputs && b.shape[0] === rank && b.shape[1] === expectedOutputs;
  if (shape.length !== 2 || a.shape.length !== 2 || b.shape.length !== 2 || !fits) {
    const loraShapes = `${a.shape.join("×")} and ${b.shape.join("×")}`;
    throw refused(
      `The LoRA doesn't fit the model: ${target} is ${shape.join("×")}, its change ${loraShapes}.`,
    );
  }
  if (rank > MAX_LORA_RANK)
    throw refused(`The LoRA's rank is ${rank}; at most ${MAX_LORA_RANK} is supported.`);
}

function refused(message: string): EngineError {
  return new EngineError("invalid", message);
}
