import type { FinishReason, ToolCallFragment } from "../../engine/generation.ts";
import type { ReasoningSplitter } from "./reasoning/splitter.ts";
import { finishReasonOf } from "./tools/response-message.ts";
import type { ToolCallEvent, ToolCallStreamParser } from "./tools/tool-call-stream-parser.ts";

/** A part of a choice's output: reasoning, content, or a piece of a tool call. */
export type ContentPart = ToolCallEvent | { type: "reasoning"; text: string };

export type ChoiceFinishReason = FinishReason | "tool_calls";

/** Parses the output of one choice incrementally. */
export interface OutputParser {
  push(text: string): readonly ContentPart[];
  /** Adds text that the engine has parsed itself. Absent: the parser is never used with engines that render chat. */
  pushParsed?(text: string, as: "reasoning" | ToolCallFragment): readonly ContentPart[];
  /** Ends the output. Returns the parts that were held back. */
  flush(): readonly ContentPart[];
  finishReason(reason: FinishReason): ChoiceFinishReason;
}

/** Passes all text on as content. */
export const plainTextParser: OutputParser = {
  push: (text) => (text === "" ? [] : [{ type: "content", text }]),
  flush: () => [],
  finishReason: (reason) => reason,
};

/** Parses reasoning first, then content and tool calls. */
export class ChatOutputParser implements OutputParser {
  readonly #splitter: ReasoningSplitter | null;
  readonly #toolCallParser: ToolCallStreamParser | null;

  /** @param splitter null: no reasoning. @param toolCallParser null: no tool calls. */
  constructor(splitter: ReasoningSplitter | null, toolCallParser: ToolCallStreamParser | null) {
    this.#splitter = splitter;
    this.#toolCallParser = toolCallParser;
  }

  push(text: string): readonly ContentPart[] {
    if (this.#splitter === null) return this.#content(text);
    return this.#splitter.push(text).flatMap((piece) => this.#piece(piece));
  }

  flush(): readonly ContentPart[] {
    const rest = this.#splitter?.flush().flatMap((piece) => this.#piece(piece)) ?? [];
    return [...rest, ...(this.#toolCallParser?.flush() ?? [])];
  }

  finishReason(reason: FinishReason): ChoiceFinishReason {
    return this.#toolCallParser === null ? reason : finishReasonOf(reason, this.#toolCallParser);
  }

  #piece(piece: { type: "reasoning" | "content"; text: string }): readonly ContentPart[] {
    return piece.type === "content" ? this.#content(piece.text) : [{ type: "reasoning", text: piece.text }];
  }

  #content(text: string): readonly ContentPart[] {
    return this.#toolCallParser === null ? plainTextParser.push(text) : this.#toolCallParser.push(text);
  }
}
