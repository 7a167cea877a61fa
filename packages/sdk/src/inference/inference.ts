import { type OperationClient, queryText, type ResourceCallOptions } from "../client/operation-client.ts";
import type { EventStream, LastEvent } from "../client/stream.ts";
import type { CallOptions } from "../client/transport.ts";
import { OPERATIONS, type OperationTypes } from "../generated/operations.ts";
import type * as types from "../generated/types.ts";
import { methods } from "../resources/resources.ts";
import { TranscriptionStream, type TranscriptionStreamOptions } from "./transcription-stream.ts";

/** Returns a whole response, or a stream of events with `stream: true`. */
export interface StreamingMethod<Params, Whole, Event> {
  (params: Params & { stream: true }, options?: CallOptions): Promise<EventStream<Event>>;
  (params: Params & { stream?: false | null | undefined }, options?: CallOptions): Promise<Whole>;
  (params: Params, options?: CallOptions): Promise<Whole | EventStream<Event>>;
}

type StreamedOperation = "createChatCompletion" | "createCompletion" | "createMessage" | "createResponse";

/** The methods of the data plane (inference). */
export function createInference(operations: OperationClient) {
  return {
    chat: {
      completions: {
        /** Generates the next message of a conversation. */
        create: streaming<
          types.ChatCompletionRequest,
          types.ChatCompletionResponse,
          types.ChatCompletionChunk
        >(operations, "createChatCompletion", null),
      },
    },
    completions: {
      /** Continues a text. */
      create: streaming<types.CompletionRequest, types.CompletionResponse, types.CompletionChunk>(
        operations,
        "createCompletion",
        null,
      ),
    },
    /** Anthropic's Messages API. */
    messages: {
      create: streaming<
        types.AnthropicCreateMessageParams,
        types.AnthropicMessage,
        types.AnthropicMessageStreamEvent
      >(operations, "createMessage", /^message_stop$/),
    },
    responses: {
      create: streaming<types.CreateResponseRequest, types.ResponseObject, Record<string, unknown>>(
        operations,
        "createResponse",
        /^response\.(completed|incomplete|failed|cancelled)$/,
      ),
      ...methods(operations, { list: "listResponses", get: "getResponse", delete: "deleteResponse" }),
    },
    embeddings: methods(operations, { create: "createEmbedding" }),
    rerank: methods(operations, { create: "rerank" }),
    /** The models that can be called now, in the format of OpenAI's model list. */
    servedModels: methods(operations, { list: "listInferenceModels", get: "getInferenceModel" }),
    audio: {
      transcriptions: {
        ...methods(operations, { create: "createTranscription" }),
        /** Transcribes live speech over a WebSocket. */
        stream(
          params: OperationTypes["streamTranscription"]["params"] = {},
          options: TranscriptionStreamOptions = {},
        ): Promise<TranscriptionStream> {
          const { path, query } = OPERATIONS.streamTranscription;
          return TranscriptionStream.open(
            operations.transport,
            path + queryText({ ...params }, query),
            options,
          );
        },
      },
      translations: methods(operations, { create: "createTranslation" }),
      /** Queued audio requests. The name passed to `create` is the path of the request: `v1/audio/transcriptions`. */
      batches: methods(operations, { create: "createBatchRequest", get: "getBatchStatus" }),
    },
    /** The name passed to each method is a model's: `accounts/fireworks/models/…`. */
    images: methods(operations, {
      generate: "generateImageFromPrompt",
      generateFromImage: "generateImageFromImage",
      generateFromControlNet: "generateImageFromControlNet",
      detectEdges: "cannyEdgeDetection",
      generateQrCode: "generateQrCode",
    }),
    /** Image models that return their result by polling. */
    workflows: methods(operations, {
      textToImage: "workflowTextToImage",
      submit: "workflowSubmit",
      getResult: "workflowGetResult",
    }),
  };
}

export type Inference = Readonly<ReturnType<typeof createInference>>;

function streaming<Params, Whole, Event>(
  operations: OperationClient,
  id: StreamedOperation,
  lastEvent: LastEvent,
): StreamingMethod<Params, Whole, Event> {
  const create = (params: Readonly<Record<string, unknown>>, options: ResourceCallOptions = {}) =>
    params["stream"] === true
      ? operations.stream<Event>(id, params, lastEvent, options)
      : operations.call(id, undefined, params, options);
  return create as unknown as StreamingMethod<Params, Whole, Event>;
}
