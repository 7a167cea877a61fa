/** How one replica runs a GGUF model; sent to its process as structured-clone data. */
export interface LlamaCppOptions {
  modelPath: string;
  /** Choices computed at the same time, 1–64. Each has a context of full length. Default 8. */
  slots?: number;
  /**
   * Tokens of prompt and output together. Default: the length the model was trained for. Lowered to what fits
   * `contextMemoryBytes`.
   */
  contextSize?: number;
  /** Most memory for the contexts of all slots together. Default: a quarter of the machine's, at least 512 MiB. */
  contextMemoryBytes?: number;
  /** Compute threads. Default: half of the cores, 1–8, so that the rest of the machine keeps running. */
  threads?: number;
  /** Requests that may wait for a slot; further ones are refused as `overloaded`. Default 64. */
  queueLimit?: number;
  /**
   * Target for the time that running streams wait for a chunk of another request's prompt. A rotation through the LoRAs of
   * all streams may take twice as long. Not a bound. Default 320.
   */
  prefillChunkTargetMs?: number;
  /** LoRAs in memory at the same time, 0–1,000. Each takes the size of its file. Default 100. */
  maxLoras?: number;
  /** A smaller model with the same vocabulary, for speculative decoding: `tokens` guesses at a time. Excludes `ngram`. */
  draft?: { modelPath: string; tokens?: number };
  /** N-gram lookup for speculative decoding: guesses that the text repeats what followed its last `length` tokens before. */
  ngram?: { length: number; tokens?: number };
}

export interface ResolvedOptions {
  modelPath: string;
  slots: number;
  /** Null: the trained size. */
  contextSize: number | null;
  contextMemoryBytes: number;
  threads: number;
  queueLimit: number;
  prefillChunkTargetMs: number;
  maxLoras: number;
  draft: { modelPath: string; tokens: number } | null;
  /** `tokens` null: as many as pay off on this machine. */
  ngram: { length: number; tokens: number | null } | null;
}

const DEFAULT_DRAFT_TOKENS = 4;
const MAX_PROPOSED_TOKENS = 32;
const MAX_NGRAM_LENGTH = 16;
const MIN_CONTEXT_MEMORY_BYTES = 512 * 1024 ** 2;
/** llama.cpp allocates contexts in multiples of this many tokens. */
const CONTEXT_STEP = 256;

export function resolveOptions(
  options: LlamaCppOptions,
  machine: { cores: number; memoryBytes: number },
): ResolvedOptions {
  return {
    modelPath: options.modelPath,
    slots: clamp(options.slots ?? 8, 1, 64),
    contextSize: options.contextSize ?? null,
    contextMemoryBytes:
      options.contextMemoryBytes ?? Math.max(MIN_CONTEXT_MEMORY_BYTES, Math.floor(machine.memoryBytes / 4)),
    threads: options.threads ?? clamp(Math.floor(machine.cores / 2), 1, 8),
    queueLimit: Math.max(0, options.queueLimit ?? 64),
    prefillChunkTargetMs: options.prefillChunkTargetMs ?? 320,
    maxLoras: clamp(options.maxLoras ?? 100, 0, 1_000),
    draft:
      options.draft === undefined
        ? null
        : {
            ...options.draft,
            tokens: clamp(options.draft.tokens ?? DEFAULT_DRAFT_TOKENS, 1, MAX_PROPOSED_TOKENS),
          },
    ngram:
      options.ngram === undefined
        ? null
        : {
            length: clamp(options.ngram.length, 1, MAX_NGRAM_LENGTH),
            tokens:
              options.ngram.tokens === undefined ? null : clamp(options.ngram.tokens, 1, MAX_PROPOSED_TOKENS),
          },
  };
}

/**
 * Tokens of context that each slot gets: the requested size, by default the trained one, lowered to the trained size and
 * to what fits the memory. A small memory still gives 256 tokens, or the requested size when that is smaller.
 */
export function contextTokens(
  options: ResolvedOptions,
  model: { trainedTokens: number; bytesPerToken: number },
): number {
  const wanted = Math.min(options.contextSize ?? model.trainedTokens, model.trainedTokens);
  const affordable = Math.floor(
    options.contextMemoryBytes / options.slots / Math.max(1, model.bytesPerToken),
  );
  if (wanted <= affordable) return wanted;
  return Math.min(wanted, Math.max(CONTEXT_STEP, affordable - (affordable % CONTEXT_STEP)));
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
