import type { ServerResponse } from "node:http";
import { describeEngineContract } from "../../engine/contract.ts";
import type { EngineError } from "../../engine/errors.ts";
import { createFakeEngine, type FakeEngine } from "../../engine/fake-engine.ts";
import type { EngineUsage, GenerateRequest } from "../../engine/generation.ts";
import { createOpenAiServerEngine } from "./engine.ts";
import { type ReceivedRequest, sendJson, startFakeUpstream, vllmChunk } from "./fake-upstream.ts";

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
async function serve(engine: FakeEngine, response: ServerResponse, seen: ReceivedRequest): Promise<void> {
  if (seen.path === "/health") return sendJson(response, 200, {});
  const request = toEngineRequest(seen);
  const abort = new AbortController();
  response.once("close", () => abort.abort());
  const choices = Array.from({ length: request.n }, (_, index) => ({
    index,
    message: { role: "assistant", content: "" },
    finish_reason: "",
  }));
  try {
    for await (const event of engine.generate(request, abort.signal)) {
      if (event.type === "end") {
        const usage = usageJson(event.usage);
        if (!request.stream) sendJson(response, 200, { choices, usage });
        else response.end(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
      } else if (event.type === "prompt") {
        throw new Error("the adapter never requests the prompt");
      } else if (event.type === "start") {
        // The OpenAI API has no such event.
      } else if (request.stream) {
        const { choice } = event;
        response.write(
          event.type === "delta" ? vllmChunk(event.text, null, choice) : vllmChunk("", event.reason, choice),
        );
      } else if (event.type === "delta") choices[event.choice]!.message.content += event.text;
      else choices[event.choice]!.finish_reason = event.reason;
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

describeEngineContract(
  "the openai-server engine",
  async () => {
    const model = createFakeEngine({
      model: { contextLength: CONTEXT_LENGTH },
      capabilities: { rendersChat: true },
      tokenDelayMs: 1,
    });
    const upstream = await startFakeUpstream((response, seen) => serve(model, response, seen));
    const engine = createOpenAiServerEngine({
      baseUrl: upstream.baseUrl,
      upstreamModel: "m",
      contextLength: CONTEXT_LENGTH,
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
  { input: (text) => ({ kind: "chat", messages: [{ role: "user", content: text }] }) },
);
