import type { PromptPrefix, ReplicaLease } from "../../fleet/service.ts";
import type { TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import type { ResponseSerializer } from "./response-serializer.ts";

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
  /**
   * @param chatTemplate replaces the model's own; null: the model's own is used.
   * @throws AppError BAD_REQUEST naming the field.
   */
  planPrompt(body: Body, replica: ReplicaLease, chatTemplate: string | null): Promise<PromptPlan>;
}
