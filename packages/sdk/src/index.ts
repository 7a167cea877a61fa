export { Fireworks, type RawRequest } from "./client/client.ts";
export * from "./client/errors.ts";
export { Listing, type Page } from "./client/listing.ts";
export { checkNewId, idOf } from "./client/names.ts";
export type { Operation, OperationId, ResourceCallOptions } from "./client/operation-client.ts";
export type { FireworksOptions } from "./client/settings.ts";
export { EventStream } from "./client/stream.ts";
export type { CallOptions } from "./client/transport.ts";
export { Dataset, type DatasetOptions } from "./declarative/dataset.ts";
export { DeploymentFailedError } from "./declarative/deployment-resolver.ts";
export { type FineTuningOptions, JobFailedError } from "./declarative/fine-tuning.ts";
export { type FineTuningRequest, LLM, SupervisedFineTuningJob } from "./declarative/llm.ts";
export type { DeploymentOptions, DeploymentType, LLMOptions } from "./declarative/llm-options.ts";
export type { WaitOptions } from "./declarative/polling.ts";
export { OPERATIONS, type OperationTypes } from "./generated/operations.ts";
export type * as types from "./generated/types.ts";
export {
  type TranscriptionEvent,
  TranscriptionStream,
  type TranscriptionStreamOptions,
  type WebSocketLike,
} from "./inference/transcription-stream.ts";
export type { Method, Resources } from "./resources/resources.ts";
