import type { Principal } from "../../control/api-keys/service.ts";
import type { PromptPrefix } from "../../fleet/service.ts";
import type { AppError } from "../../lib/errors.ts";
import type { RequestEstimate } from "../../metering/limits/service.ts";
import type { UsageKind } from "../../metering/money/service.ts";
import type { HttpExchange } from "../../platform/http/http-exchange.ts";
import type { EngineErrorFields } from "./engine-errors.ts";
import type { InferenceRequest } from "./request.ts";

/** The least that the pipeline reads of every body. */
export interface EndpointBody {
  /** Any name of a model, a deployed model or an alias. */
  model: string;
}

/**
 * One POST operation that a model serves: its description, the conversion of its bodies, and its work. The pipeline does
 * everything else. A new modality is a new endpoint and changes nothing in this folder.
 */
export interface Endpoint<Body extends EndpointBody> {
  /** Exact request paths, aliases included. */
  readonly paths: readonly string[];
  /** Unique; camel case. */
  readonly operationId: string;
  /** Title of the operation in the OpenAPI document. */
  readonly summary: string;
  /** JSON schema of the body, for the OpenAPI document. `parse` enforces it. */
  readonly requestSchema: object;
  /** Media types of a successful response. */
  readonly responseTypes: readonly string[];
  /** Name in the usage ledger, the metrics and the log. */
  readonly name: string;
  /** Selects the price, and the unit of `record.quantity`, which `serve` sets. */
  readonly kind: UsageKind;
  /** Larger bodies are refused with a 413. */
  readonly bodyLimitBytes: number;
  /** The field of the request to name in an engine's error. */
  readonly errorFields: EngineErrorFields;
  /** Reads the body of a request that is not JSON, such as an upload. Absent: the body is JSON. Called once. */
  readBody?(
    exchange: HttpExchange<Principal>,
    limitBytes: number,
    done: (error: AppError | null, body: unknown) => void,
  ): void;
  /**
   * Checks everything about a body that needs no model.
   * @param text the JSON text of the body; absent when `readBody` read it.
   * @throws AppError BAD_REQUEST naming the field.
   */
  parse(body: unknown, text?: string): Body;
  /**
   * Removes from a body what no model supports, and names it, for a fallback model that is to run programs unchanged. Null:
   * there is nothing to remove. Absent: likewise.
   */
  dropUnsupported?(body: unknown): { body: unknown; dropped: readonly string[] } | null;
  /** The most that the request may use, which admission charges until it ends. `bodySizeBytes` is 0 when unknown. */
  estimate(body: Body, bodySizeBytes: number): RequestEstimate;
  /** Labels to trace the request by in the log. Absent or null: none. */
  labels?(body: Body): Readonly<Record<string, string>> | null;
  /** The session the body names; the header `x-session-affinity` takes precedence. Absent: bodies name no session. */
  sessionKey?(body: Body): string | undefined;
  /** The start of the input; requests that share it go to a replica that has it cached. Absent: inputs share nothing. */
  promptPrefix?(body: Body): PromptPrefix;
  /**
   * Does the work and responds. An exception becomes the error response, or the last event of a stream that was opened.
   * @throws AppError; EngineError, which the pipeline converts with `errorFields`.
   */
  serve(request: InferenceRequest<Body>): Promise<void>;
}
