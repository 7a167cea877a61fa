/** Reads the stored tensors of a conversion plan in pieces and converts them for the GGUF file. */
import { ModelFileError } from "../errors.ts";
import type { TensorToWrite } from "../gguf/file-writer.ts";
import { writableKind } from "../gguf/header-writer.ts";
import type { WrittenKind } from "../gguf/types.ts";
import { quoted } from "../json.ts";
import { quantizeQ8_0, toFloat16, toFloat32, WEIGHT_BYTES } from "../number-formats.ts";
import type { StoredTensor } from "../safetensors.ts";
import type { Weights } from "../weights.ts";
import type { ConversionPlan, RowOrder, TensorOrigin } from "./conversion-plan.ts";

/** Tensors are read in pieces of whole rows of about this size, which bounds the memory. */
const PIECE_BYTES = 2 * 1024 ** 2;

type StoredOrigin = Extract<TensorOrigin, { kind: "stored" }>;

/**
 * Finds the stored tensor of every planned tensor.
 * @throws ModelFileError when a tensor is missing or has another shape, or for a stored tensor that the plan does not
 * have.
 */
export function bindTensors(plan: ConversionPlan, weights: Weights, kind: WrittenKind): TensorToWrite[] {
  const planned = new Set<string>();
  const bound = plan.tensors.map((tensor) => {
    if (tensor.from.kind === "values") return computedTensor(tensor.name, tensor.from.values);
    planned.add(tensor.from.name);
    return storedTensor({
      name: tensor.name,
      origin: tensor.from,
      tensor: findTensor(tensor.from, weights),
      requestedKind: kind,
    });
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
  const { shape } = origin;
  if (tensor.shape.length === shape.length && tensor.shape.every((length, i) => length === shape[i])) {
    return tensor;
  }
  throw new ModelFileError(
    tensor.file.name,
    `the tensor ${quoted(tensor.name)} has the shape [${tensor.shape.join(", ")}]; [${shape.join(", ")}] is needed.`,
  );
}

/** A tensor of computed numbers; always 32-bit floats. */
function computedTensor(name: string, values: Float32Array): TensorToWrite {
  return { name, shape: [values.length], kind: "F32", data: () => [bytesOf(values)] };
}

function storedTensor({
  name,
  origin,
  tensor,
  requestedKind,
}: {
  name: string;
  origin: StoredOrigin;
  tensor: StoredTensor;
  requestedKind: WrittenKind;
}): TensorToWrite {
  const columns = tensor.shape.at(-1) ?? 1;
  const kind = tensor.shape.length < 2 ? "F32" : writableKind(requestedKind, columns);
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

/** Yields the tensor's numbers in pieces of whole rows. */
export async function* readRows(tensor: StoredTensor, order?: RowOrder): AsyncGenerator<Float32Array> {
  // Each number of a vector counts as a row.
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

/** @param floats whole groups of rows */
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
