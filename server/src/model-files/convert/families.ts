/** How the supported architectures differ, as data. */

export interface Family {
  /** llama.cpp's name. */
  name: string;
  /** Classes of the Hugging Face library that are computed like this. */
  classes: readonly string[];
  /**
   * True: llama.cpp turns neighbouring numbers of a head against each other, where the original turns number i against
   * number i + half. The rows that make queries and keys are put in another order for that.
   */
  interleaved: boolean;
  /** Queries, keys and values are one matrix, and so are the two matrices that go into the feed-forward part. */
  fused: boolean;
  /** Each head of queries and keys is normalised. */
  headNorms: boolean;
  /** Norms after attention and feed-forward, besides those before. */
  postNorms: boolean;
  /** The norms' weights are stored less this. */
  normOffset: 0 | 1;
  /** Whether the output matrix is that of the embeddings where the configuration doesn't say. */
  tiedByDefault: boolean;
  /** The engine has no separate output matrix for it. */
  alwaysTied: boolean;
  /** The layers of attention that have a bias: "configured" by `attention_bias`. */
  biases: "configured" | "qkv" | "none";
  /** Names of the one activation it is computed with; the first is the default. */
  activations: readonly string[];
  /** Part of a head may be left unturned. */
  partialRotary: boolean;
  /** What happens to a sliding window that is shorter than the context. */
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
