import type { FinishReason, ToolCallFragment } from "../../engine/generation.ts";
import type { ReasoningSplitter } from "./reasoning/splitter.ts";
import { finishReasonOf } from "./tools/response-message.ts";
import type { ToolCallEvent, ToolCallStreamParser } from "./tools/tool-call-stream-parser.ts";

/** What a choice's text turns out to be. */
export type ContentPart = ToolCallEvent | { type: "reasoning"; text: string };

export type ChoiceFinishReason = FinishReason | "tool_calls";

/** Reads one choice's text as it comes. */
export interface OutputParser {
  push(text: string): readonly ContentPart[];
  /** Text of which the engine says what it is; only engines that render chat do. */
  pushParsed?(text: string, as: "reasoning" | ToolCallFragment): readonly ContentPart[];
  /** The end of the text: what was held back. */
  flush(): readonly ContentPart[];
  finishReason(reason: FinishReason): ChoiceFinishReason;
}

/** Text that is nothing but text. */
export const plainTextParser: OutputParser = {
  push: (text) => (text === "" ? [] : [{ type: "content", text }]),
  flush: () => [],
  finishReason: (reason) => reason,
};

/** Reasoning first, then content and calls. Either may be absent. */
export class ChatOutputParser implements OutputParser {
  readonly #splitter: ReasoningSplitter | null;
  readonly #toolCallParser: ToolCallStreamParser | null;

  constructor(splitter: ReasoningSplitter | null, calls: ToolCallStreamParser | null) {
    this.#splitter = splitter;
    this.#toolCallParser = calls;
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
