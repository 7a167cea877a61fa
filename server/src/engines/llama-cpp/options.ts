/** How one replica runs a GGUF model. Only the path is needed. Must be structured-clone data. */
export interface LlamaCppOptions {
  modelPath: string;
  /** Generations computed at the same time, 1–64. Each has its own context of full length. Default 8. */
  slots?: number;
  /** Tokens of prompt and output together. Default: what the model was trained for. Cut to `contextMemoryBytes`. */
  contextSize?: number;
  /** Most memory for the contexts of all slots. Default: a quarter of the machine's, at least 512 MiB. */
  contextMemoryBytes?: number;
  /** Threads that compute. Default: half of the cores, 1–8, so that the rest of the machine keeps running. */
  threads?: number;
  /** Requests that may wait for a slot; one more is refused as `overloaded`. Default 64. */
  queueLimit?: number;
  /**
   * How long running streams may wait for a slice of another's prompt; twice as long for streams with other adapters. An
   * aim, not a bound. Default 320.
   */
  prefillChunkTargetMs?: number;
  /** Adapters that may be loaded at the same time, 0–1,000. Each costs its own size in memory. Default 100. */
  maxLoras?: number;
  /** A smaller model with the same tokens that guesses what comes next. Not with `ngram`. */
  draft?: { modelPath: string; tokens?: number };
  /** What followed the same `length` tokens earlier is guessed to follow again. */
  ngram?: { length: number; tokens?: number };
}

export interface ResolvedOptions {
  modelPath: string;
  slots: number;
  contextSize: number | null;
  contextMemoryBytes: number;
  threads: number;
  queueLimit: number;
  prefillChunkTargetMs: number;
  maxLoras: number;
  draft: { modelPath: string; tokens: number } | null;
  ngram: { length: number; tokens: number | null } | null;
}

const DRAFT_TOKENS = 4;
const MAX_GUESSED = 32;
const MAX_LOOKED_FOR = 16;
const MIN_CONTEXT_MEMORY_BYTES = 512 * 1024 ** 2;
/** Contexts are made in multiples of this many tokens. */
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
        : { ...options.draft, tokens: clamp(options.draft.tokens ?? DRAFT_TOKENS, 1, MAX_GUESSED) },
    ngram: options.ngram === undefined ? null : ngramOf(options.ngram),
  };
}

/**
 * Tokens of context each slot gets: what was asked for, else what the model was trained for; never more than it was
 * trained for, nor than fits the memory. At least one step of 256 tokens, or all of what was asked when that is less.
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

function ngramOf({ length, tokens }: { length: number; tokens?: number }): ResolvedOptions["ngram"] {
  return {
    length: clamp(length, 1, MAX_LOOKED_FOR),
    tokens: tokens === undefined ? null : clamp(tokens, 1, MAX_GUESSED),
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
