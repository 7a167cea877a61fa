import { EngineError } from "../../../engine/errors.ts";
import type { FinishReason, ToolCallFragment } from "../../../engine/generation.ts";
import type { ChoiceFinishReason, ContentPart, OutputParser } from "../output-parser.ts";
import { finishReasonOf } from "./response-message.ts";
import { newToolCallId } from "./tool-call-ids.ts";

/** The functions that a response may call. */
export interface AllowedTools {
  names: readonly string[];
  /** Whether one response may make several calls. */
  parallel: boolean;
  /** Whether the response must call a function: arguments that are no object are refused at their first character. */
  isForced: boolean;
}

/** A call that the engine has found. Its outcome is unknown until the engine gives its name. */
interface PreParsedCall {
  id: string | null;
  /** Arguments that came before the name. */
  heldArguments: string;
  /** Whether its arguments have begun as an object; known of forced calls only. */
  isObject: boolean;
  outcome: { kind: "unknown" } | { kind: "call"; index: number } | { kind: "text" } | { kind: "dropped" };
}

/**
 * Passes on the output of engines that find reasoning and tool calls themselves. A call of a function that the request
 * doesn't offer becomes content.
 */
export class PreParsedOutput implements OutputParser {
  callCount = 0;
  readonly complete = false;
  readonly #allowedTools: AllowedTools | null;
  readonly #calls = new Map<number, PreParsedCall>();
  /** The call whose arguments are arriving. */
  #current: PreParsedCall | null = null;

  /** @param allowedTools null: the request offers no functions. */
  constructor(allowedTools: AllowedTools | null) {
    this.#allowedTools = allowedTools;
  }

  push(text: string): readonly ContentPart[] {
    return text === "" ? [] : [...this.#end(), { type: "content", text }];
  }

  /** @throws EngineError `bad_reply` for a forced call whose arguments are no object. */
  pushParsed(text: string, as: "reasoning" | ToolCallFragment): readonly ContentPart[] {
    if (as === "reasoning") return text === "" ? [] : [{ type: "reasoning", text }];
    const call = this.#callOf(as);
    call.id ??= as.id;
    if (call.outcome.kind !== "unknown") return this.#arguments(call, text);
    call.heldArguments += text;
    return as.name === null ? [] : [...this.#end(), ...this.#begin(call, as.name)];
  }

  flush(): readonly ContentPart[] {
    return this.#end();
  }

  finishReason(reason: FinishReason): ChoiceFinishReason {
    return finishReasonOf(reason, this);
  }

  #callOf({ index }: ToolCallFragment): PreParsedCall {
    const known = this.#calls.get(index);
    if (known !== undefined) return known;
    const call: PreParsedCall = {
      id: null,
      heldArguments: "",
      isObject: false,
      outcome: { kind: "unknown" },
    };
    this.#calls.set(index, call);
    return call;
  }

  #begin(call: PreParsedCall, name: string): readonly ContentPart[] {
    this.#current = call;
    if (this.#allowedTools?.names.includes(name) !== true) {
      call.outcome = { kind: "text" };
      const head = `{"name": ${JSON.stringify(name)}, "arguments": `;
      return [{ type: "content", text: head + call.heldArguments }];
    }
    if (!this.#allowedTools.parallel && this.callCount > 0) {
      call.outcome = { kind: "dropped" };
      return [];
    }
    const index = this.callCount++;
    call.outcome = { kind: "call", index };
    return [
      { type: "call-start", index, id: call.id ?? newToolCallId(), name },
      ...this.#arguments(call, call.heldArguments),
    ];
  }

  #arguments(call: PreParsedCall, text: string): readonly ContentPart[] {
    const { outcome } = call;
    if (text === "") return [];
    if (outcome.kind === "call" && this.#allowedTools?.isForced === true && !call.isObject) {
      const start = text.trimStart();
      if (start !== "" && !start.startsWith("{")) {
        throw new EngineError("bad_reply", "The model server's call does not fit the function's parameters.");
      }
      call.isObject = start !== "";
    }
    if (outcome.kind === "call") return [{ type: "arguments", index: outcome.index, text }];
    return outcome.kind === "text" ? [{ type: "content", text }] : [];
  }

  /** Ends the current call, if there is one. */
  #end(): readonly ContentPart[] {
    const outcome = this.#current?.outcome;
    this.#current = null;
    if (outcome?.kind === "call") return [{ type: "call-end", index: outcome.index }];
    return outcome?.kind === "text" ? [{ type: "content", text: "}" }] : [];
  }
}
