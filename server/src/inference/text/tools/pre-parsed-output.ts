import type { FinishReason, ToolCallFragment } from "../../../engine/generation.ts";
import type { ChoiceFinishReason, ContentPart, OutputParser } from "../output-parser.ts";
import { finishReasonOf } from "./response-message.ts";
import { newToolCallId } from "./tool-call-ids.ts";

/** What a request lets a reply call. */
export interface AllowedTools {
  names: readonly string[];
  /** Several calls in one reply. */
  parallel: boolean;
}

/** A call of the engine's: `held` until its name is known, then the reply's, or text, or nothing. */
interface PreParsedCall {
  id: string | null;
  held: string;
  outcome: { kind: "unknown" } | { kind: "call"; index: number } | { kind: "text" } | { kind: "dropped" };
}

/**
 * Reads choices of engines that find reasoning and calls in the output themselves. What they say is passed on, but a
 * function that was not offered is no call: it stays content, as the model may have written it.
 */
export class PreParsedOutput implements OutputParser {
  callCount = 0;
  readonly complete = false;
  readonly #allowedTools: AllowedTools | null;
  readonly #calls = new Map<number, PreParsedCall>();
  #open: PreParsedCall | null = null;

  /** @param callable null: the request offers no functions. */
  constructor(callable: AllowedTools | null) {
    this.#allowedTools = callable;
  }

  push(text: string): readonly ContentPart[] {
    return text === "" ? [] : [...this.#end(), { type: "content", text }];
  }

  pushParsed(text: string, as: "reasoning" | ToolCallFragment): readonly ContentPart[] {
    if (as === "reasoning") return text === "" ? [] : [{ type: "reasoning", text }];
    const call = this.#callOf(as);
    call.id ??= as.id;
    if (call.outcome.kind !== "unknown") return this.#arguments(call, text);
    call.held += text;
    return as.name === null ? [] : [...this.#end(), ...this.#begin(call, as.name)];
  }

  flush(): readonly ContentPart[] {
    return this.#end();
  }

  finishReason(reason: FinishReason): ChoiceFinishReason {
    return finishReasonOf(reason, this);
  }

  #callOf({ index: number }: ToolCallFragment): PreParsedCall {
    const call = this.#calls.get(number) ?? { id: null, held: "", outcome: { kind: "unknown" } };
    this.#calls.set(number, call);
    return call;
  }

  #begin(call: PreParsedCall, name: string): readonly ContentPart[] {
    this.#open = call;
    if (this.#allowedTools?.names.includes(name) !== true) {
      call.outcome = { kind: "text" };
      const head = `{"name": ${JSON.stringify(name)}, "arguments": `;
      return [{ type: "content", text: head + call.held }];
    }
    if (!this.#allowedTools.parallel && this.callCount > 0) {
      call.outcome = { kind: "dropped" };
      return [];
    }
    const index = this.callCount++;
    call.outcome = { kind: "call", index };
    return [
      { type: "call-start", index, id: call.id ?? newToolCallId(), name },
      ...this.#arguments(call, call.held),
    ];
  }

  #arguments({ outcome: fate }: PreParsedCall, text: string): readonly ContentPart[] {
    if (text === "") return [];
    if (fate.kind === "call") return [{ type: "arguments", index: fate.index, text }];
    return fate.kind === "text" ? [{ type: "content", text }] : [];
  }

  /** Of the call that was being read. */
  #end(): readonly ContentPart[] {
    const fate = this.#open?.outcome;
    this.#open = null;
    if (fate?.kind === "call") return [{ type: "call-end", index: fate.index }];
    return fate?.kind === "text" ? [{ type: "content", text: "}" }] : [];
  }
}
