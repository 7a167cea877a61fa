/** The supported architectures and the ways in which they differ. */

export interface Family {
  /** llama.cpp's name of the architecture. */
  name: string;
  /** Model classes of the Hugging Face library with this architecture. */
  classes: readonly string[];
  /**
   * Layout of the rotary position embedding in llama.cpp. True: it rotates pairs of adjacent numbers of a head, where
   * the original pairs number i with number i + half. The conversion then reorders the rows of the query and key
   * matrices.
   */
  interleaved: boolean;
  /** One matrix computes queries, keys and values, and one computes both inputs of the feed-forward part. */
  fused: boolean;
  /** Each head of the queries and keys is normalised. */
  headNorms: boolean;
  /** There are norms after attention and feed-forward, too, not just before. */
  postNorms: boolean;
  /** Added to the stored weights of the norms. */
  normOffset: 0 | 1;
  /** Whether the output matrix is the embedding matrix when the configuration does not say. */
  tiedByDefault: boolean;
  /** llama.cpp does not support a separate output matrix for this architecture. */
  alwaysTied: boolean;
  /** The matrices that have a bias. "configured": `attention_bias` and `mlp_bias` of the configuration decide. */
  biases: "configured" | "qkv" | "none";
  /** Accepted names of the activation function. All mean the same function; the first name is used in errors. */
  activations: readonly string[];
  /** The rotary embedding may rotate just a part of each head. */
  partialRotary: boolean;
  /**
   * How the conversion treats a sliding window of attention that is shorter than the context. "cut": it limits the
   * context to the window. "cut-if-used": likewise, when `use_sliding_window` is true. "written": the window is written
   * to the metadata. "none": the architecture has no window.
   */
  window: "cut" | "cut-if-used" | "written" | "none";
}

const llama: Family = {
  name: "llama",
  classes: ["LlamaForCausalLM", "MistralForCausalLM"],
  interleaved: true,
  fused: false,
  headNorms: false,
  postNorms: false,
  normOffset: 0,
  tiedByDefault: false,
  alwaysTied: false,
  biases: "configured",
  activations: ["silu"],
  partialRotary: false,
  window: "cut",
};

const qwen2: Family = {
  ...llama,
  name: "qwen2",
  classes: ["Qwen2ForCausalLM"],
  interleaved: false,
  biases: "qkv",
  window: "cut-if-used",
};

const gemma: Family = {
  ...llama,
  name: "gemma",
  classes: ["GemmaForCausalLM"],
  interleaved: false,
  normOffset: 1,
  tiedByDefault: true,
  alwaysTied: true,
  biases: "none",
  activations: ["gelu_pytorch_tanh", "gelu"],
  window: "none",
};

export const FAMILIES: readonly Family[] = [
  llama,
  qwen2,
  { ...qwen2, name: "qwen3", classes: ["Qwen3ForCausalLM"], headNorms: true, biases: "none" },
  gemma,
  { ...gemma, name: "gemma2", classes: ["Gemma2ForCausalLM"], postNorms: true, window: "written" },
  {
    ...llama,
    name: "phi3",
    classes: ["Phi3ForCausalLM"],
    interleaved: false,
    fused: true,
    biases: "none",
    partialRotary: true,
  },
];

export const SUPPORTED_CLASSES = FAMILIES.flatMap((family) => family.classes);
