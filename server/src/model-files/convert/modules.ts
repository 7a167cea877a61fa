/** The matrices of a model's layers: names in both formats, sizes, and order of rows. */

import type { RowOrder } from "./conversion-plan.ts";
import type { Family } from "./families.ts";

export interface DecoderShape {
  layers: number;
  width: number;
  feedForwardWidth: number;
  heads: number;
  kvHeads: number;
  headSize: number;
}

export interface WeightModule {
  /** Name in the Hugging Face library, without "model.": "layers.0.self_attn.q_proj". */
  name: string;
  /** Name in the GGUF file, without ".weight": "blk.0.attn_q". */
  tensor: string;
  rows: number;
  columns: number;
  rowOrder?: RowOrder;
}

/** The matrices of all layers, in order. */
export function layerModules(family: Family, shape: DecoderShape): WeightModule[] {
  return Array.from({ length: shape.layers }, (_, layer) => modulesOfLayer(family, shape, layer)).flat();
}

function modulesOfLayer(family: Family, shape: DecoderShape, layer: number): WeightModule[] {
  const { width, feedForwardWidth, headSize } = shape;
  const queries = shape.heads * headSize;
  const keys = shape.kvHeads * headSize;
  const module = (
    name: string,
    tensor: string,
    [rows, columns]: readonly [number, number],
  ): WeightModule => ({
    name: `layers.${layer}.${name}`,
    tensor: `blk.${layer}.${tensor}`,
    rows,
    columns,
  });
  const rotary = (module: WeightModule): WeightModule =>
    family.interleaved ? { ...module, rowOrder: interleave(headSize) } : module;
  const output = module("self_attn.o_proj", "attn_output", [width, queries]);
  const down = module("mlp.down_proj", "ffn_down", [width, feedForwardWidth]);
  if (family.fused) {
    return [
      module("self_attn.qkv_proj", "attn_qkv", [queries + 2 * keys, width]),
      output,
      module("mlp.gate_up_proj", "ffn_up", [2 * feedForwardWidth, width]),
      down,
    ];
  }
  return [
    rotary(module("self_attn.q_proj", "attn_q", [queries, width])),
    rotary(module("self_attn.k_proj", "attn_k", [keys, width])),
    module("self_attn.v_proj", "attn_v", [keys, width]),
    output,
    module("mlp.gate_proj", "ffn_gate", [feedForwardWidth, width]),
    module("mlp.up_proj", "ffn_up", [feedForwardWidth, width]),
    down,
  ];
}

/** Makes rows i and i + half of each head adjacent. */
function interleave(headSize: number): RowOrder {
  return { size: headSize, source: (row) => (row % 2) * (headSize / 2) + Math.floor(row / 2) };
}
