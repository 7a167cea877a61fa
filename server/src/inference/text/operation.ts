import type { PromptPrefix, ReplicaLease } from "../../fleet/service.ts";
import type { TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import type { ResponseSerializer } from "./response-serializer.ts";

/** A request whose prompt is to be planned. */
export interface PromptPlanRequest<Body> {
  body: Body;
  replica: ReplicaLease;
  /** Replaces the model's own chat template; null: the model's own is used. */
  chatTemplate: string | null;
  accountId: string;
}

/** How one text endpoint turns its body into the engine's input, and the output into its response. */
export interface TextOperation<Body extends TextParameters> {
  readonly paths: readonly string[];
  readonly operationId: string;
  readonly summary: string;
  readonly requestSchema: object;
  /** Name in the usage ledger. */
  readonly name: string;
  /** The field that an error about the prompt names. */
  readonly promptField: string;
  readonly serializer: ResponseSerializer;
  /** @throws AppError BAD_REQUEST naming the field. */
  parse(body: unknown): Body;
  /** See `Endpoint`. */
  dropUnsupported(body: unknown): { body: unknown; dropped: readonly string[] } | null;
  /** Prompts of a batch. Absent: always one. */
  countPrompts?(body: Body): number;
  /** The start of the prompt, alike for prompts that start alike. */
  promptPrefix(body: Body): PromptPrefix;
  /** @throws AppError BAD_REQUEST naming the field. */
  planPrompt(request: PromptPlanRequest<Body>): Promise<PromptPlan>;
}
