/** Chat input of engines that render the model's chat template themselves. */

export interface ChatMessage {
  role: string;
  content: string;
  name?: string;
  /** Tool calls of an assistant message, arguments as JSON texts. */
  toolCalls?: readonly { id: string; name: string; arguments: string }[];
  /** Id of the tool call whose result a tool message holds. */
  toolCallId?: string;
  /** Reasoning before the content of an assistant message. */
  reasoning?: string;
}

/** The functions that a model may or must call. */
export interface ChatTools {
  /** `parameters`: a JSON schema whose top level is an object. */
  functions: readonly { name: string; description: string | null; parameters: object; strict: boolean }[];
  toolChoice: "auto" | "required" | { name: string };
  /** Whether one response may hold several tool calls. */
  parallelToolCalls: boolean;
}

/** Settings of a model that reasons; the model decides absent fields. */
export interface ChatReasoning {
  enabled: boolean;
  effort?: "low" | "medium" | "high";
  /** Most tokens of reasoning. */
  maxTokens?: number;
}
