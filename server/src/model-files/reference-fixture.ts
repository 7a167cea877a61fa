/**
 * For tests only: a reference implementation of the supported models in 64-bit floats, written from their papers. It
 * reads the Hugging Face folder itself and shares no code with the conversion.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The content of `config.json`. */
// biome-ignore lint/suspicious/noExplicitAny: a reference reads what it needs and checks nothing.
type Config = Record<string, any>;
type Matrix = { rows: number; columns: number; values: Float64Array };

export interface ReferenceModel {
  config: Config;
  tensors: Map<string, Matrix>;
}

export function loadReference(folder: string): ReferenceModel {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Config;
  return { config, tensors: readTensors(join(folder, "model.safetensors")) };
}

/** The model with a LoRA's products added to its weights. */
export function mergeLora(model: ReferenceModel, folder: string): ReferenceModel {
  const config = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8")) as Config;
  const scale = config["lora_alpha"] / (config["use_rslora"] ? Math.sqrt(config["r"]) : config["r"]);
  const adapter = readTensors(join(folder, "adapter_model.safetensors"));
  const tensors = new Map(model.tensors);
  for (const [name, a] of adapter) {
    if (!name.endsWith(".lora_A.weight")) continue;
    const b = adapter.get(name.replace(".lora_A.", ".lora_B.")) as Matrix;
    const target = name.replace("base_model.model.", "").replace(".lora_A", "");
    const merged = { ...(tensors.get(target) as Matrix) };
    merged.values = merged.values.slice();
    for (let row = 0; row < b.rows; row++) {
      for (let column = 0; column < a.columns; column++) {
        let sum = 0;
        for (let i = 0; i < a.rows; i++)
          sum += b.values[row * a.rows + i]! * a.values[i * a.columns + column]!;
        merged.values[row * merged.columns + column]! += scale * sum;
      }
    }
    tensors.set(target, merged);
  }
  return { ...model, tensors };
}

/** Log-probabilities of all next tokens, for each position. */
export function referenceLogprobs(model: ReferenceModel, tokens: readonly number[]): Float64Array[] {
  return new Forward(model, tokens.length).run(tokens);
}

class Forward {
  readonly #config: Config;
  readonly #tensors: Map<string, Matrix>;
  readonly #kind: string;
  readonly #heads: number;
  readonly #kvHeads: number;
  readonly #headSize: number;
  readonly #rotation: { frequencies: number[]; scale: number };

  constructor({ config, tensors }: ReferenceModel, length: number) {
    this.#config = config;
    this.#tensors = tensors;
    this.#kind = config["architectures"][0].replace("ForCausalLM", "");
    this.#heads = config["num_attention_heads"];
    this.#kvHeads = config["num_key_value_heads"] ?? this.#heads;
    this.#headSize = config["head_dim"] ?? config["hidden_size"] / this.#heads;
    this.#rotation = rotation(config, this.#headSize, length);
  }

  get #isGemma(): boolean {
    return this.#kind.startsWith("Gemma");
  }

  run(tokens: readonly number[]): Float64Array[] {
    const embeddings = this.#tensor("model.embed_tokens.weight");
    const scale = this.#isGemma ? Math.sqrt(this.#config["hidden_size"]) : 1;
    let states: Float64Array[] = tokens.map((token) => row(embeddings, token).map((value) => value * scale));
    for (let layer = 0; layer < this.#config["num_hidden_layers"]; layer++)
      states = this.#layer(states, layer);
    const tied = this.#config["tie_word_embeddings"] ?? this.#isGemma;
    const head = tied ? embeddings : this.#tensor("lm_head.weight");
    const cap: number | undefined = this.#config["final_logit_softcapping"];
    return states.map((state) => {
      const logits = multiply(head, this.#norm(state, "model.norm"));
      return logSoftmax(cap === undefined ? logits : logits.map((logit) => cap * Math.tanh(logit / cap)));
    });
  }

  #layer(states: Float64Array[], layer: number): Float64Array[] {
    const at = `model.layers.${layer}`;
    const gemma2 = this.#kind === "Gemma2";
    const mixed = this.#attention(
      states.map((state) => this.#norm(state, `${at}.input_layernorm`)),
      layer,
    );
    return states.map((state, position) => {
      let change = mixed[position] as Float64Array;
      if (gemma2) change = this.#norm(change, `${at}.post_attention_layernorm`);
      const middle = add(state, change);
      const before = gemma2 ? "pre_feedforward_layernorm" : "post_attention_layernorm";
      let forward = this.#feedForward(this.#norm(middle, `${at}.${before}`), `${at}.mlp`);
      if (gemma2) forward = this.#norm(forward, `${at}.post_feedforward_layernorm`);
      return add(middle, forward);
    });
  }

  #attention(states: Float64Array[], layer: number): Float64Array[] {
    const at = `model.layers.${layer}.self_attn`;
    const queries = this.#heads * this.#headSize;
    const keys = this.#kvHeads * this.#headSize;
    const projections = states.map((state, position) => {
      let q: Float64Array, k: Float64Array, v: Float64Array;
      if (this.#kind === "Phi3") {
        const all = this.#linear(`${at}.qkv_proj`, state);
        [q, k, v] = [all.slice(0, queries), all.slice(queries, queries + keys), all.slice(queries + keys)];
      } else {
        [q, k, v] = [
          this.#linear(`${at}.q_proj`, state),
          this.#linear(`${at}.k_proj`, state),
          this.#linear(`${at}.v_proj`, state),
        ];
      }
      return {
        q: this.#rotated(q, { heads: this.#heads, position, norm: `${at}.q_norm` }),
        k: this.#rotated(k, { heads: this.#kvHeads, position, norm: `${at}.k_norm` }),
        v,
      };
    });
    return states.map((_, position) => {
      const result = new Float64Array(queries);
      for (let head = 0; head < this.#heads; head++)
        this.#attend({ projections, position, head, layer, result });
      return this.#linear(`${at}.o_proj`, result);
    });
  }

  /** Writes the output of one head at one position to `result`. */
  #attend({
    projections,
    position,
    head,
    layer,
    result,
  }: {
    projections: readonly { q: Float64Array; k: Float64Array; v: Float64Array }[];
    position: number;
    head: number;
    layer: number;
    result: Float64Array;
  }): void {
    const size = this.#headSize;
    const shared = Math.floor(head / (this.#heads / this.#kvHeads)) * size;
    const scale = 1 / Math.sqrt(this.#kind === "Gemma2" ? this.#config["query_pre_attn_scalar"] : size);
    const cap: number | undefined = this.#config["attn_logit_softcapping"];
    const first = Math.max(0, position + 1 - this.#window(layer));
    const scores: number[] = [];
    for (let other = first; other <= position; other++) {
      let score = 0;
      for (let i = 0; i < size; i++)
        score += projections[position]!.q[head * size + i]! * projections[other]!.k[shared + i]!;
      score *= scale;
      scores.push(cap === undefined ? score : cap * Math.tanh(score / cap));
    }
    const weights = logSoftmax(Float64Array.from(scores)).map(Math.exp);
    for (const [index, weight] of weights.entries()) {
      for (let i = 0; i < size; i++)
        result[head * size + i]! += weight * projections[first + index]!.v[shared + i]!;
    }
  }

  /** Number of positions that a layer attends to, its own included. */
  #window(layer: number): number {
    const window: number | null = this.#config["sliding_window"] ?? null;
    if (window === null) return Number.POSITIVE_INFINITY;
    if (this.#kind === "Gemma2") return layer % 2 === 0 ? window : Number.POSITIVE_INFINITY;
    if (this.#kind.startsWith("Qwen") && !this.#config["use_sliding_window"]) return Number.POSITIVE_INFINITY;
    return window;
  }

  /** Normalises each head if the model does, then applies the rotary embedding. */
  #rotated(
    values: Float64Array,
    { heads, position, norm }: { heads: number; position: number; norm: string },
  ): Float64Array {
    const { frequencies, scale } = this.#rotation;
    const half = frequencies.length;
    const result = Float64Array.from(values);
    for (let head = 0; head < heads; head++) {
      const part = result.subarray(head * this.#headSize, (head + 1) * this.#headSize);
      if (this.#kind === "Qwen3") part.set(this.#norm(part, norm));
      for (const [i, frequency] of frequencies.entries()) {
        const x = part[i]!;
        const y = part[i + half]!;
        const cos = Math.cos(position * frequency) * scale;
        const sin = Math.sin(position * frequency) * scale;
        part[i] = x * cos - y * sin;
        part[i + half] = y * cos + x * sin;
      }
    }
    return result;
  }

  #feedForward(state: Float64Array, at: string): Float64Array {
    let gate: Float64Array, up: Float64Array;
    if (this.#kind === "Phi3") {
      const both = this.#linear(`${at}.gate_up_proj`, state);
      [gate, up] = [both.slice(0, both.length / 2), both.slice(both.length / 2)];
    } else [gate, up] = [this.#linear(`${at}.gate_proj`, state), this.#linear(`${at}.up_proj`, state)];
    const activate = this.#isGemma ? geluTanh : silu;
    return this.#linear(
      `${at}.down_proj`,
      gate.map((value, i) => activate(value) * up[i]!),
    );
  }

  #norm(state: Float64Array, name: string): Float64Array {
    const { values } = this.#tensor(`${name}.weight`);
    const mean = state.reduce((sum, value) => sum + value * value, 0) / state.length;
    const scale = 1 / Math.sqrt(mean + this.#config["rms_norm_eps"]);
    return state.map((value, i) => value * scale * (values[i]! + (this.#isGemma ? 1 : 0)));
  }

  #linear(name: string, state: Float64Array): Float64Array {
    const product = multiply(this.#tensor(`${name}.weight`), state);
    const bias = this.#tensors.get(`${name}.bias`);
    return bias === undefined ? product : add(product, bias.values);
  }

  #tensor(name: string): Matrix {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`the reference misses ${name}`);
    return tensor;
  }
}

/** Angle per position of each rotated pair, and the factor that scales the rotated numbers. */
function rotation(
  config: Config,
  headSize: number,
  length: number,
): { frequencies: number[]; scale: number } {
  const size = Math.floor(headSize * (config["partial_rotary_factor"] ?? 1));
  const theta: number = config["rope_theta"] ?? config["rope_parameters"]?.rope_theta ?? 10_000;
  const plain = Array.from({ length: size / 2 }, (_, i) => theta ** (-(2 * i) / size));
  const scaling = config["rope_scaling"] ?? config["rope_parameters"];
  switch (scaling?.rope_type ?? scaling?.type) {
    case "linear":
      return { frequencies: plain.map((frequency) => frequency / scaling.factor), scale: 1 };
    case "llama3":
      return { frequencies: plain.map((frequency) => llama3Frequency(frequency, scaling)), scale: 1 };
    case "yarn":
      return yarn(plain, scaling, { theta, size, context: config["max_position_embeddings"] });
    case "longrope": {
      const trained: number = config["original_max_position_embeddings"];
      const factors: number[] = length > trained ? scaling.long_factor : scaling.short_factor;
      const stretch = config["max_position_embeddings"] / trained;
      return {
        frequencies: plain.map((frequency, i) => frequency / factors[i]!),
        scale: stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(trained)),
      };
    }
    default:
      return { frequencies: plain, scale: 1 };
  }
}

function llama3Frequency(frequency: number, scaling: Config): number {
  const wave = (2 * Math.PI) / frequency;
  const trained: number = scaling["original_max_position_embeddings"];
  if (wave < trained / scaling["high_freq_factor"]) return frequency;
  if (wave > trained / scaling["low_freq_factor"]) return frequency / scaling["factor"];
  const smooth =
    (trained / wave - scaling["low_freq_factor"]) /
    (scaling["high_freq_factor"] - scaling["low_freq_factor"]);
  return ((1 - smooth) * frequency) / scaling["factor"] + smooth * frequency;
}

/** YaRN (Peng et al. 2023): high frequencies stay, low ones are divided by the factor, with a ramp in between. */
function yarn(
  plain: number[],
  scaling: Config,
  { theta, size, context }: { theta: number; size: number; context: number },
) {
  const trained: number = scaling["original_max_position_embeddings"] ?? context;
  const pairTurning = (turns: number) =>
    (size * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(0, Math.floor(pairTurning(scaling["beta_fast"] ?? 32)));
  const high = Math.min(size - 1, Math.ceil(pairTurning(scaling["beta_slow"] ?? 1)));
  const frequencies = plain.map((frequency, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    return (frequency / scaling["factor"]) * stretched + frequency * (1 - stretched);
  });
  return { frequencies, scale: 0.1 * Math.log(scaling["factor"]) + 1 };
}

function readTensors(path: string): Map<string, Matrix> {
  const bytes = readFileSync(path);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, headerEnd)) as Config;
  const tensors = new Map<string, Matrix>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (dtype !== "F32") throw new Error("the reference reads 32-bit floats alone");
    const values = new Float64Array((data_offsets[1] - data_offsets[0]) / 4);
    for (let i = 0; i < values.length; i++)
      values[i] = bytes.readFloatLE(headerEnd + data_offsets[0] + 4 * i);
    tensors.set(name, { rows: shape[0], columns: shape[1] ?? 1, values });
  }
  return tensors;
}

function row({ values, columns }: Matrix, index: number): Float64Array {
  return values.slice(index * columns, (index + 1) * columns);
}

function multiply({ rows, columns, values }: Matrix, vector: Float64Array): Float64Array {
  const result = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += values[i * columns + j]! * vector[j]!;
    result[i] = sum;
  }
  return result;
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

function logSoftmax(values: Float64Array): Float64Array {
  const most = values.reduce((a, b) => Math.max(a, b));
  const sum = Math.log(values.reduce((total, value) => total + Math.exp(value - most), 0));
  return values.map((value) => value - most - sum);
}

function silu(value: number): number {
  return value / (1 + Math.exp(-value));
}

function geluTanh(value: number): number {
  return 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
}
