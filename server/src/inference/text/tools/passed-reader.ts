import type { FinishReason, ToolCallFragment } from "../../../engine/port.ts";
import type { ChoiceFinishReason, ContentPart, OutputParser } from "../output-parser.ts";
import { newCallId } from "./call-ids.ts";
import { finishReasonOf } from "./reply.ts";

/** What a request lets a reply call. */
export interface Callable {
  names: readonly string[];
  /** Several calls in one reply. */
  parallel: boolean;
}

/** A call of the engine's: `held` until its name is known, then the reply's, or text, or nothing. */
interface Passed {
  id: string | null;
  held: string;
  fate: { kind: "unknown" } | { kind: "call"; index: number } | { kind: "text" } | { kind: "dropped" };
}

/**
 * Reads choices of engines that find reasoning and calls in the output themselves. What they say is passed on, but a
 * function that was not offered is no call: it stays content, as the model may have written it.
 */
export class PassedReader implements OutputParser {
  callCount = 0;
  readonly complete = false;
  readonly #callable: Callable | null;
  readonly #calls = new Map<number, Passed>();
  #open: Passed | null = null;

  /** @param callable null: the request offers no functions. */
  constructor(callable: Callable | null) {
    this.#callable = callable;
  }

  push(text: string): readonly ContentPart[] {
    return text === "" ? [] : [...this.#end(), { type: "content", text }];
  }

  pushParsed(text: string, as: "reasoning" | ToolCallFragment): readonly ContentPart[] {
    if (as === "reasoning") return text === "" ? [] : [{ type: "reasoning", text }];
    const call = this.#callOf(as);
    call.id ??= as.id;
    if (call.fate.kind !== "unknown") return this.#arguments(call, text);
    call.held += text;
    return as.name === null ? [] : [...this.#end(), ...this.#begin(call, as.name)];
  }

  flush(): readonly ContentPart[] {
    return this.#end();
  }

  finishReason(reason: FinishReason): ChoiceFinishReason {
    return finishReasonOf(reason, this);
  }

  #callOf({ index: number }: ToolCallFragment): Passed {
    const call = this.#calls.get(number) ?? { id: null, held: "", fate: { kind: "unknown" } };
    this.#calls.set(number, call);
    return call;
  }

  #begin(call: Passed, name: string): readonly ContentPart[] {
    this.#open = call;
    if (this.#callable?.names.includes(name) !== true) {
      call.fate = { kind: "text" };
      const head = `{"name": ${JSON.stringify(name)}, "arguments": `;
      return [{ type: "content", text: head + call.held }];
    }
    if (!this.#callable.parallel && this.callCount > 0) {
      call.fate = { kind: "dropped" };
      return [];
    }
    const index = this.callCount++;
    call.fate = { kind: "call", index };
    return [
      { type: "call-start", index, id: call.id ?? newCallId(), name },
      ...this.#arguments(call, call.held),
    ];
  }

  #arguments({ fate }: Passed, text: string): readonly ContentPart[] {
    if (text === "") return [];
    if (fate.kind === "call") return [{ type: "arguments", index: fate.index, text }];
    return fate.kind === "text" ? [{ type: "content", text }] : [];
  }

  /** Of the call that was being read. */
  #end(): readonly ContentPart[] {
    const fate = this.#open?.fate;
    this.#open = null;
    if (fate?.kind === "call") return [{ type: "call-end", index: fate.index }];
    return fate?.kind === "text" ? [{ type: "content", text: "}" }] : [];
  }
}
