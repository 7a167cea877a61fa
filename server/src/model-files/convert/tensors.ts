/** Reads planned tensors in pieces and changes them on the way into the GGUF file. */
import { ModelFileError } from "../errors.ts";
import type { TensorToWrite } from "../gguf/file-writer.ts";
import { writableKind } from "../gguf/header-writer.ts";
import type { WrittenKind } from "../gguf/types.ts";
import { quoted } from "../json.ts";
import { quantizeQ8_0, toFloat16, toFloat32, WEIGHT_BYTES } from "../number-formats.ts";
import type { StoredTensor } from "../safetensors.ts";
import type { Weights } from "../weights.ts";
import type { ConversionPlan, PlannedTensor, RowOrder, TensorOrigin } from "./conversion-plan.ts";

/** A piece is whole rows of about this size as read, so that any other work of the process waits only shortly. */
const PIECE_BYTES = 2 * 1024 ** 2;

type StoredOrigin = Extract<TensorOrigin, { kind: "stored" }>;

/**
 * Every tensor of the plan, bound to where its numbers are.
 * @throws ModelFileError when one is missing, has another shape, or one is there that the plan doesn't know.
 */
export function bindTensors(plan: ConversionPlan, weights: Weights, kind: WrittenKind): TensorToWrite[] {
  const planned = new Set<string>();
  const bound = plan.tensors.map((tensor) => {
    if (tensor.from.kind === "values") return computedTensor(tensor.name, tensor.from.values);
    planned.add(tensor.from.name);
    return storedTensor(tensor, tensor.from, findTensor(tensor.from, weights), kind);
  });
  for (const [name, { file }] of weights.tensors) {
    if (!planned.has(name) && !plan.isRedundant(name)) {
      throw new ModelFileError(
        file.name,
        `has the tensor ${quoted(name)}, which this architecture doesn't have.`,
      );
    }
  }
  return bound;
}

function findTensor(origin: StoredOrigin, weights: Weights): StoredTensor {
  const tensor = weights.tensors.get(origin.name);
  if (tensor === undefined) {
    const [file] = new Set([...weights.tensors.values()].map((other) => other.file.name));
    throw new ModelFileError(file ?? "model.safetensors", `the tensor ${quoted(origin.name)} is missing.`);
  }
  checkShape(tensor, origin.shape);
  return tensor;
}

/** @throws ModelFileError giving both shapes. */
function checkShape(tensor: StoredTensor, shape: readonly number[]): void {
  if (tensor.shape.length === shape.length && tensor.shape.every((length, i) => length === shape[i])) return;
  throw new ModelFileError(
    tensor.file.name,
    `the tensor ${quoted(tensor.name)} has the shape [${tensor.shape.join(", ")}]; [${shape.join(", ")}] is needed.`,
  );
}

/** Numbers that no file has; always 32-bit floats. */
function computedTensor(name: string, values: Float32Array): TensorToWrite {
  return { name, shape: [values.length], kind: "F32", data: () => [bytesOf(values)] };
}

function storedTensor(
  { name }: PlannedTensor,
  origin: StoredOrigin,
  tensor: StoredTensor,
  wanted: WrittenKind,
): TensorToWrite {
  const columns = tensor.shape.at(-1) ?? 1;
  const kind = tensor.shape.length < 2 ? "F32" : writableKind(wanted, columns);
  return {
    name,
    shape: tensor.shape.toReversed(),
    kind,
    async *data() {
      for await (const floats of readRows(tensor, origin.rowOrder)) {
        if (origin.plus)
          for (let i = 0; i < floats.length; i++) floats[i] = (floats[i] as number) + origin.plus;
        yield encodeTensor(tensor, floats, kind);
      }
    },
  };
}

export function encodeTensor(tensor: StoredTensor, floats: Float32Array, kind: WrittenKind): Uint8Array {
  try {
    if (kind === "Q8_0") return quantizeQ8_0(floats);
    if (kind === "F16") return bytesOf(toFloat16(floats));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelFileError(tensor.file.name, `the tensor ${quoted(tensor.name)}: ${error.message}.`);
  }
  if (!floats.every(Number.isFinite)) {
    throw new ModelFileError(tensor.file.name, `the tensor ${quoted(tensor.name)}: a value is not a number.`);
  }
  return bytesOf(floats);
}

/** The tensor's numbers, some rows at a time. */
export async function* readRows(tensor: StoredTensor, order?: RowOrder): AsyncGenerator<Float32Array> {
  // A vector's rows are its single numbers.
  const columns = tensor.shape.length < 2 ? 1 : (tensor.shape.at(-1) as number);
  const rowBytes = columns * WEIGHT_BYTES[tensor.type];
  const rows = rowBytes === 0 ? 0 : tensor.sizeBytes / rowBytes;
  const group = order?.size ?? 1;
  const step = group * Math.max(1, Math.floor(PIECE_BYTES / (group * rowBytes || 1)));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const bytes = await tensor.file.read(tensor.offsetBytes + row * rowBytes, count * rowBytes);
    const floats = toFloat32(bytes, tensor.type);
    yield order === undefined ? floats : reorderRows(floats, columns, order);
  }
}

/** `floats` are whole groups of rows. */
function reorderRows(floats: Float32Array, columns: number, { size, source }: RowOrder): Float32Array {
  const result = new Float32Array(floats.length);
  for (let row = 0; row * columns < floats.length; row++) {
    const from = (Math.floor(row / size) * size + source(row % size)) * columns;
    result.set(floats.subarray(from, from + columns), row * columns);
  }
  return result;
}

function bytesOf(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
