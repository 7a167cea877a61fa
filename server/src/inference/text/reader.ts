import type { FinishReason, ToolCallFragment } from "../../engine/port.ts";
import type { ReasoningSplitter } from "./reasoning/splitter.ts";
import { finishReasonOf } from "./tools/reply.ts";
import type { ToolCallParser, ToolEvent } from "./tools/stream-parser.ts";

/** What a choice's text turns out to be. */
export type Part = ToolEvent | { type: "reasoning"; text: string };

export type ReplyReason = FinishReason | "tool_calls";

/** Reads one choice's text as it comes. */
export interface ChoiceReader {
  push(text: string): readonly Part[];
  /** Text of which the engine says what it is; only engines that render chat do. */
  passed?(text: string, as: "reasoning" | ToolCallFragment): readonly Part[];
  /** The end of the text: what was held back. */
  flush(): readonly Part[];
  reason(reason: FinishReason): ReplyReason;
}

/** Text that is nothing but text. */
export const plainReader: ChoiceReader = {
  push: (text) => (text === "" ? [] : [{ type: "content", text }]),
  flush: () => [],
  reason: (reason) => reason,
};

/** Reasoning first, then content and calls. Either may be absent. */
export class ChatReader implements ChoiceReader {
  readonly #splitter: ReasoningSplitter | null;
  readonly #calls: ToolCallParser | null;

  constructor(splitter: ReasoningSplitter | null, calls: ToolCallParser | null) {
    this.#splitter = splitter;
    this.#calls = calls;
  }

  push(text: string): readonly Part[] {
    if (this.#splitter === null) return this.#content(text);
    return this.#splitter.push(text).flatMap((piece) => this.#piece(piece));
  }

  flush(): readonly Part[] {
    const rest = this.#splitter?.flush().flatMap((piece) => this.#piece(piece)) ?? [];
    return [...rest, ...(this.#calls?.flush() ?? [])];
  }

  reason(reason: FinishReason): ReplyReason {
    return this.#calls === null ? reason : finishReasonOf(reason, this.#calls);
  }

  #piece(piece: { type: "reasoning" | "content"; text: string }): readonly Part[] {
    return piece.type === "content" ? this.#content(piece.text) : [{ type: "reasoning", text: piece.text }];
  }

  #content(text: string): readonly Part[] {
    return this.#calls === null ? plainReader.push(text) : this.#calls.push(text);
  }
}
