import { type OperationClient, queryText, type ResourceCallOptions } from "../client/operation-client.ts";
import type { EventStream, LastEvent } from "../client/stream.ts";
import type { CallOptions } from "../client/transport.ts";
import { OPERATIONS, type OperationTypes } from "../generated/operations.ts";
import type * as types from "../generated/types.ts";
import { methods } from "../resources/resources.ts";
import { TranscriptionStream, type TranscriptionStreamOptions } from "./transcription-stream.ts";

/** Makes an answer as a whole, or in events with `stream: true`. */
export interface StreamingMethod<Params, Whole, Event> {
  (params: Params & { stream: true }, options?: CallOptions): Promise<EventStream<Event>>;
  (params: Params & { stream?: false | null | undefined }, options?: CallOptions): Promise<Whole>;
  (params: Params, options?: CallOptions): Promise<Whole | EventStream<Event>>;
}

type StreamedOperation = "createChatCompletion" | "createCompletion" | "createMessage" | "createResponse";

/** The data plane. */
export function createInference(caller: OperationClient) {
  return {
    chat: {
      completions: {
        /** A reply to a conversation. */
        create: streaming<
          types.ChatCompletionRequest,
          types.ChatCompletionResponse,
          types.ChatCompletionChunk
        >(caller, "createChatCompletion", null),
      },
    },
    completions: {
      /** What follows a text. */
      create: streaming<types.CompletionRequest, types.CompletionResponse, types.CompletionChunk>(
        caller,
        "createCompletion",
        null,
      ),
    },
    /** The shape of Anthropic's API. */
    messages: {
      create: streaming<
        types.AnthropicCreateMessageParams,
        types.AnthropicMessage,
        types.AnthropicMessageStreamEvent
      >(caller, "createMessage", /^message_stop$/),
    },
    responses: {
      create: streaming<types.CreateResponseRequest, types.ResponseObject, Record<string, unknown>>(
        caller,
        "createResponse",
        /^response\.(completed|incomplete|failed|cancelled)$/,
      ),
      ...methods(caller, { list: "listResponses", get: "getResponse", delete: "deleteResponse" }),
    },
    embeddings: methods(caller, { create: "createEmbedding" }),
    rerank: methods(caller, { create: "rerank" }),
    /** What can be called now, as OpenAI's API lists it. */
    servedModels: methods(caller, { list: "listInferenceModels", get: "getInferenceModel" }),
    audio: {
      transcriptions: {
        ...methods(caller, { create: "createTranscription" }),
        /** Speech as it is spoken, over a WebSocket. */
        stream(
          params: OperationTypes["streamTranscription"]["params"] = {},
          options: TranscriptionStreamOptions = {},
        ): Promise<TranscriptionStream> {
          const { path, query } = OPERATIONS.streamTranscription;
          return TranscriptionStream.open(caller.transport, path + queryText({ ...params }, query), options);
        },
      },
      translations: methods(caller, { create: "createTranslation" }),
      /** Audio calls for later. The name of `create` is the path of the call: `v1/audio/transcriptions`. */
      batches: methods(caller, { create: "createBatchRequest", get: "getBatchStatus" }),
    },
    /** The name is a model's: `accounts/fireworks/models/…`. */
    images: methods(caller, {
      generate: "generateImageFromPrompt",
      generateFromImage: "generateImageFromImage",
      generateFromControlNet: "generateImageFromControlNet",
      detectEdges: "cannyEdgeDetection",
      generateQrCode: "generateQrCode",
    }),
    /** Image models that work in steps. */
    workflows: methods(caller, {
      textToImage: "workflowTextToImage",
      submit: "workflowSubmit",
      getResult: "workflowGetResult",
    }),
  };
}

export type Inference = Readonly<ReturnType<typeof createInference>>;

function streaming<Params, Whole, Event>(
  caller: OperationClient,
  id: StreamedOperation,
  lastEvent: LastEvent,
): StreamingMethod<Params, Whole, Event> {
  const create = (params: Readonly<Record<string, unknown>>, options: ResourceCallOptions = {}) =>
    params["stream"] === true
      ? caller.stream<Event>(id, params, lastEvent, options)
      : caller.call(id, undefined, params, options);
  return create as unknown as StreamingMethod<Params, Whole, Event>;
}
