import { access, constants } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { InsufficientMemoryError, type LlamaModel } from "node-llama-cpp";
import type { EngineModelInfo } from "../../../engine/engine.ts";
import { EngineError } from "../../../engine/errors.ts";
import { LlamaBackend } from "../native/llama-backend.ts";
import { openLlamaCpp } from "../native/open-llama-cpp.ts";
import { contextTokens, type LlamaCppOptions, type ResolvedOptions, resolveOptions } from "../options.ts";
import { BLOCK_TOKENS } from "../scheduling/prefill-blocks.ts";
import { PrefillChunkSizer } from "../scheduling/prefill-chunk-sizer.ts";
import { DraftModel } from "../speculation/draft-model.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";

export interface LoadedModel {
  info: EngineModelInfo;
  contextLength: number;
  options: ResolvedOptions;
  backend: LlamaBackend;
  tokenizer: Tokenizer;
  chunkSizer: PrefillChunkSizer;
}

/** Most tokens computed in one call. A larger batch is hardly faster, and streams and aborts would wait for it. */
const BATCH_TOKENS = 4 * BLOCK_TOKENS;

/** @throws EngineError with a public message. */
export async function loadModel(options: LlamaCppOptions): Promise<LoadedModel> {
  try {
    await access(options.modelPath, constants.R_OK);
  } catch (error) {
    throw new EngineError("invalid", "The model's weights file does not exist or can't be read.", error);
  }
  try {
    return await loadReadable(options);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    if (error instanceof InsufficientMemoryError) {
      throw new EngineError("unavailable", "There is not enough memory for the model.", error);
    }
    throw new EngineError(
      "invalid",
      "The model's weights file can't be loaded: it is damaged or of a kind that is not supported.",
      error,
    );
  }
}

async function loadReadable(requested: LlamaCppOptions): Promise<LoadedModel> {
  const options = resolveOptions(requested, { cores: availableParallelism(), memoryBytes: totalmem() });
  const { slots, threads, draft, ngram } = options;
  const llama = await openLlamaCpp(threads);
  const model = await llama.loadModel({ modelPath: options.modelPath });
  const contextSize = contextTokens(options, {
    trainedTokens: model.trainContextSize,
    bytesPerToken: await contextBytesPerToken(model),
  });
  const context = await model.createContext({
    sequences: slots,
    contextSize,
    batchSize: BATCH_TOKENS,
    threads,
    // Without this the library may shrink the context silently, and requests that fit the reported size would fail.
    failedCreationRemedy: false,
    ignoreMemorySafetyChecks: true,
  });
  // The library rounds the size up; only the requested tokens are offered.
  const contextLength = Math.min(contextSize, context.contextSize);
  const tokenizer = new Tokenizer(model, contextLength);
  const backend = new LlamaBackend(model, context);
  await runSelfTests(backend, tokenizer, options);
  if ((draft !== null || ngram !== null) && !backend.capabilities.features.includes("prediction")) {
    throw new EngineError("unsupported", "This engine can't speculate with this model.");
  }
  if (draft !== null) {
    backend.speculation = {
      draft: await DraftModel.load(llama, model, { ...draft, slots, contextLength, threads }),
    };
  } else if (ngram !== null) {
    backend.speculation = { ngram };
  }
  return {
    info: {
      contextLength,
      chatTemplate: chatTemplateOf(model),
      bosToken: model.tokens.bosString ?? "",
      eosToken: model.tokens.eosString ?? "",
    },
    contextLength,
    options,
    backend,
    tokenizer,
    chunkSizer: new PrefillChunkSizer({ targetMs: options.prefillChunkTargetMs, maxTokens: BATCH_TOKENS }),
  };
}

/** Finds out which of the library's inner functions can be used. Reads all of the model's weights on the way. */
async function runSelfTests(
  backend: LlamaBackend,
  tokenizer: Tokenizer,
  { maxLoras }: ResolvedOptions,
): Promise<void> {
  const tokens = tokenizer.sampleTokens(3);
  await backend.testCopying(tokens);
  await backend.testNativeApi(tokens.slice(0, 2));
  if (maxLoras > 0) await backend.testLoras(tokens.slice(0, 1));
}

function chatTemplateOf(model: LlamaModel): string | null {
  const template: unknown = model.fileInfo.metadata.tokenizer?.chat_template;
  return typeof template === "string" ? template : null;
}

/** Memory that one more token of context costs one slot: the slope between the library's estimates for two sizes. */
async function contextBytesPerToken(model: LlamaModel): Promise<number> {
  const [small, large] = [1024, 2048];
  const estimateBytes = async (contextSize: number) => {
    const { cpuRam } = await model.fileInsights.estimateContextResourceRequirementsV2({
      contextSize,
      modelGpuLayers: 0,
      sequences: 1,
      batchSize: BATCH_TOKENS,
    });
    return cpuRam;
  };
  return ((await estimateBytes(large)) - (await estimateBytes(small))) / (large - small);
}
