/** The plan of a conversion to GGUF: the metadata, and for each tensor its source and how its numbers change. */
import type { GgufKeyValue } from "../gguf/header-writer.ts";

export interface PlannedTensor {
  /** Name in the GGUF file. */
  name: string;
  from: TensorOrigin;
}

export type TensorOrigin =
  /** Numbers that are computed from the configuration. */
  | { kind: "values"; values: Float32Array }
  | {
      kind: "stored";
      /** Name in the safetensors files. */
      name: string;
      /** The shape that the stored tensor must have, rows first. */
      shape: readonly number[];
      /** Reorders the rows within each group of `size` rows: row i of the result is row `source(i)` of the group. */
      rowOrder?: RowOrder;
      /** Added to every number. */
      plus?: number;
    };

export interface RowOrder {
  size: number;
  source(row: number): number;
}

export interface ConversionPlan {
  /** llama.cpp's name of the architecture; metadata keys start with it. */
  architecture: string;
  /** All metadata except the tokenizer's. */
  metadata: GgufKeyValue[];
  tensors: PlannedTensor[];
  /** Whether a stored tensor is left out because it repeats known numbers. */
  isRedundant(name: string): boolean;
  /** Longest context, in tokens, in which the converted model computes the same as the original. */
  contextLength: number;
}
