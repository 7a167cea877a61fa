import type { ServerResponse } from "node:http";
import { describeEngineContract } from "../../engine/contract.ts";
import type { EngineError } from "../../engine/errors.ts";
import { createFakeEngine, type FakeEngine } from "../../engine/fake-engine.ts";
import type { EngineUsage, GenerateRequest, TokenInfo } from "../../engine/generation.ts";
import { createOpenAiServerEngine } from "./engine.ts";
import { type ReceivedRequest, sendJson, startFakeUpstream } from "./fake-upstream.ts";

const CONTEXT_LENGTH = 512;

/** Converts the HTTP request to the request of the engine behind the server. */
function toEngineRequest({ path, body }: ReceivedRequest): GenerateRequest {
  return {
    id: "upstream",
    input: path.endsWith("/chat/completions")
      ? { kind: "chat", messages: body.messages }
      : { kind: "text", text: body.prompt, addBos: true },
    sampling: { temperature: body.temperature, ...(body.seed === undefined ? {} : { seed: body.seed }) },
    n: body.n ?? 1,
    maxTokens: body.max_tokens,
    stop: body.stop ?? [],
    stream: body.stream === true,
    ...(body.top_logprobs === undefined ? {} : { logprobs: body.top_logprobs }),
    ...(body.min_tokens === undefined ? {} : { minTokens: body.min_tokens }),
    ...(body.ignore_eos === undefined ? {} : { ignoreEos: body.ignore_eos }),
    ...(body.cache_salt === undefined ? {} : { cacheScope: body.cache_salt }),
  };
}

/** Logprobs and token ids of a choice in vLLM's format; both null without logprobs. */
function tokensJson(tokens: readonly TokenInfo[] | undefined) {
  if (tokens === undefined) return { logprobs: null, token_ids: null };
  const toJson = ({ bytes, logprob }: Pick<TokenInfo, "bytes" | "logprob">) => ({
    token: Buffer.from(bytes).toString(),
    bytes: [...bytes],
    logprob,
  });
  return {
    logprobs: { content: tokens.map((token) => ({ ...toJson(token), top_logprobs: token.top.map(toJson) })) },
    token_ids: tokens.map(({ id }) => id),
  };
}

function usageJson({ promptTokens, completionTokens, cachedTokens }: EngineUsage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** A model server in vLLM's wire format, with the fake engine for a model. */
async function serve(engine: FakeEngine, response: ServerResponse, received: ReceivedRequest): Promise<void> {
  if (received.path === "/health") return sendJson(response, 200, {});
  const request = toEngineRequest(received);
  const abort = new AbortController();
  response.once("close", () => abort.abort());
  const outputs = Array.from({ length: request.n }, () => ({
    text: "",
    tokens: request.logprobs === undefined ? undefined : ([] as TokenInfo[]),
    reason: "",
  }));
  const sendChunk = (choices: object[], usage?: object) =>
    void response.write(`data: ${JSON.stringify({ choices, usage })}\n\n`);
  try {
    for await (const event of engine.generate(request, abort.signal)) {
      if (event.type === "start" || event.type === "prompt") continue;
      if (event.type === "end") {
        const usage = usageJson(event.usage);
        if (request.stream) {
          sendChunk([], usage);
          response.end("data: [DONE]\n\n");
          continue;
        }
        const choices = outputs.map(({ text, tokens, reason }, index) => ({
          index,
          message: { role: "assistant", content: text },
          finish_reason: reason,
          ...tokensJson(tokens),
        }));
        sendJson(response, 200, { choices, usage });
      } else if (event.type === "delta") {
        const output = outputs[event.choice]!;
        output.text += event.text;
        output.tokens?.push(...(event.tokens ?? []));
        const chunk = { index: event.choice, delta: { content: event.text }, finish_reason: null };
        if (request.stream) sendChunk([{ ...chunk, ...tokensJson(event.tokens) }]);
      } else {
        outputs[event.choice]!.reason = event.reason;
        const chunk = { index: event.choice, delta: { content: "" }, finish_reason: event.reason };
        if (request.stream) sendChunk([{ ...chunk, ...tokensJson(undefined) }]);
      }
    }
  } catch (error) {
    refuse(response, error as EngineError);
  }
}

function refuse(response: ServerResponse, error: EngineError): void {
  if (response.headersSent) return void response.destroy();
  const [promptTokens] = error.message.match(/\d+/) ?? ["0"];
  const message =
    error.code === "context_exceeded"
      ? `This model's maximum context length is ${CONTEXT_LENGTH} tokens. However, you requested ${promptTokens} tokens (${promptTokens} in the messages, 0 in the completion).`
      : "engine failure";
  sendJson(response, error.code === "context_exceeded" ? 400 : 500, {
    error: { message, type: "BadRequestError" },
  });
}

for (const features of [[], ["vllm"]]) {
  describeEngineContract(
    `the openai-server engine with the features [${features}]`,
    async () => {
      const model = createFakeEngine({
        model: { contextLength: CONTEXT_LENGTH },
        capabilities: { rendersChat: true },
        prefixCache: true,
        tokenDelayMs: 1,
      });
      const upstream = await startFakeUpstream((response, received) => serve(model, response, received));
      const engine = createOpenAiServerEngine({
        baseUrl: upstream.baseUrl,
        upstreamModel: "m",
        contextLength: CONTEXT_LENGTH,
        features,
      });
      return {
        engine,
        activeGenerations: () => model.active,
        crash: () => model.crash(),
        dispose: async () => {
          await engine.close();
          await upstream.close();
          await model.close();
        },
      };
    },
    {
      input: (text) => ({ kind: "chat", messages: [{ role: "user", content: text }] }),
      ignoresGrammars: "the fake engine behind the server accepts grammars and ignores them",
    },
  );
}
