/** What a GGUF file is made of, as data: settings, and for each tensor where it comes from and how it is changed. */
import type { GgufKeyValue } from "../gguf/header-writer.ts";

export interface PlannedTensor {
  /** In the GGUF file. */
  name: string;
  from: TensorOrigin;
}

export type TensorOrigin =
  /** Numbers that the configuration determines. */
  | { kind: "values"; values: Float32Array }
  | {
      kind: "stored";
      /** In the safetensors files. */
      name: string;
      /** Rows first, as stored; checked. */
      shape: readonly number[];
      /** The rows of each group of `size` in another order: row i becomes what `source(i)` was. */
      rowOrder?: RowOrder;
      /** Added to every number. */
      plus?: number;
    };

export interface RowOrder {
  size: number;
  source(row: number): number;
}

export interface ConversionPlan {
  /** llama.cpp's name of the architecture: first part of its settings' keys. */
  architecture: string;
  /** All but those of the tokenizer. */
  metadata: GgufKeyValue[];
  tensors: PlannedTensor[];
  /** Stored tensors that are left out: true for those that repeat what is known. */
  isRedundant(name: string): boolean;
  /** Tokens within which the converted model computes what the original does. */
  contextLength: number;
}
