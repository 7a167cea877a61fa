import { access, constants } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { Template } from "@huggingface/jinja";
import { InsufficientMemoryError, type Llama, type LlamaModel } from "node-llama-cpp";
import { EngineError, type EngineModelInfo } from "../../../engine/port.ts";
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

/** Most tokens computed in one call. More gains nothing, but would let streams and aborts wait. */
const BATCH_TOKENS = 4 * BLOCK_TOKENS;

/** @throws EngineError with a public message. */
export async function loadModel(options: LlamaCppOptions): Promise<LoadedModel> {
  try {
    await access(options.modelPath, constants.R_OK);
  } catch (error) {
    throw new EngineError("invalid", "The model's weights file does not exist or can't be read.", error);
  }
  try {
    return await loadUnguarded(options);
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

async function loadUnguarded(given: LlamaCppOptions): Promise<LoadedModel> {
  const options = resolveOptions(given, { cores: availableParallelism(), memoryBytes: totalmem() });
  const llama = await openLlamaCpp(options.threads);
  const model = await llama.loadModel({ modelPath: options.modelPath });
  const contextSize = contextTokens(options, {
    trainedTokens: model.trainContextSize,
    bytesPerToken: await contextBytesPerToken(model),
  });
  checkChatTemplate(model);
  const context = await model.createContext({
    sequences: options.slots,
    contextSize,
    batchSize: BATCH_TOKENS,
    threads: options.threads,
    // A smaller context than the one reported would be a lie; better no start at all.
    failedCreationRemedy: false,
    ignoreMemorySafetyChecks: true,
  });
  // The library pads the size; what lies beyond the asked for is not offered.
  const contextLength = Math.min(contextSize, context.contextSize);
  const tokenizer = new Tokenizer(model, contextLength);
  const backend = new LlamaBackend(model, context);
  await testNativeApis(backend, tokenizer, options);
  await setUpSpeculation(backend, llama, model, options, contextLength);
  const slices = new PrefillChunkSizer({ targetMs: options.prefillChunkTargetMs, maxTokens: BATCH_TOKENS });
  return {
    info: toModelInfo(model, contextLength),
    contextLength,
    options,
    backend,
    tokenizer,
    chunkSizer: slices,
  };
}

/** @throws EngineError `invalid` for a draft model that doesn't go with the model. */
async function setUpSpeculation(
  backend: LlamaBackend,
  llama: Llama,
  model: LlamaModel,
  { draft, ngram, slots, threads }: ResolvedOptions,
  contextLength: number,
): Promise<void> {
  if (draft === null && ngram === null) return;
  if (!backend.capabilities.features.includes("prediction")) {
    throw new EngineError("unsupported", "This engine can't speculate with this model.");
  }
  if (draft === null) backend.speculation = { ngram: ngram! };
  else
    backend.speculation = {
      draft: await DraftModel.load(llama, model, draft, { slots, contextLength, threads }),
    };
}

function chatTemplateOf(model: LlamaModel): string | null {
  const template: unknown = model.fileInfo.metadata.tokenizer?.chat_template;
  return typeof template === "string" ? template : null;
}

/**
 * A broken template is refused here rather than at the first request, and one that never ends costs this process its
 * time to load, not the platform its event loop.
 * @throws EngineError `invalid`.
 */
function checkChatTemplate(model: LlamaModel): void {
  const source = chatTemplateOf(model);
  if (source === null) return;
  try {
    const { bosString, eosString } = model.tokens;
    new Template(source).render({
      messages: [{ role: "user", content: "Hello" }],
      add_generation_prompt: true,
      bos_token: bosString ?? "",
      eos_token: eosString ?? "",
      tools: null,
    });
  } catch (error) {
    throw new EngineError("invalid", "The model's chat template is broken.", error);
  }
}

function toModelInfo(model: LlamaModel, contextLength: number): EngineModelInfo {
  return {
    contextLength,
    chatTemplate: chatTemplateOf(model),
    bosToken: model.tokens.bosString ?? "",
    eosToken: model.tokens.eosString ?? "",
  };
}

/** What one more token of context costs one slot: the difference of the library's estimates for two sizes. */
async function contextBytesPerToken(model: LlamaModel): Promise<number> {
  const [small, large] = [1024, 2048];
  const estimate = async (contextSize: number) => {
    const { cpuRam } = await model.fileInsights.estimateContextResourceRequirementsV2({
      contextSize,
      modelGpuLayers: 0,
      sequences: 1,
      batchSize: BATCH_TOKENS,
    });
    return cpuRam;
  };
  return ((await estimate(large)) - (await estimate(small))) / (large - small);
}

/** Finds out which of the library's inner functions can be used. On the way all of the model is read. */
async function testNativeApis(
  backend: LlamaBackend,
  tokenizer: Tokenizer,
  { maxLoras: maxAdapters }: ResolvedOptions,
): Promise<void> {
  const tokens = tokenizer.anyTokens(3);
  await backend.testCopying(tokens);
  await backend.testNativeApi(tokens.slice(0, 2));
  if (maxAdapters > 0) await backend.testLoras(tokens.slice(0, 1));
}
