import { newToolCallId } from "./tool-call-ids.ts";
import { ToolCallParser } from "./tool-call-parser.ts";
import type { ToolCallSyntax } from "./tool-call-syntax.ts";

/** A piece of one choice's output. The `arguments` between `call-start` and `call-end` join to JSON text. */
export type ToolCallEvent =
  | { type: "content"; text: string }
  | { type: "call-start"; index: number; id: string; name: string }
  | { type: "arguments"; index: number; text: string }
  | { type: "call-end"; index: number };

export interface ToolCallStreamParserOptions {
  /** The family's own syntax first, then the others that it may use. */
  syntaxes: readonly ToolCallSyntax[];
  /** Functions that may be called. A call of any other function is content. */
  names: readonly string[];
  /** A grammar forces the output into the first syntax, so that arguments are passed on before they are complete. */
  constrained?: boolean;
  /** False: the first call ends the output. Default true. */
  parallel?: boolean;
  /** Decides whether a complete call of unconstrained output counts, for example by a strict tool's schema. */
  accept?: (name: string, argumentsJson: string) => boolean;
  newId?: () => string;
}

/** Most characters between a call's JSON and its end. Longer text is content: the model has left the end out. */
const MAX_TAIL = 200;

/**
 * Splits a choice's output into content and tool calls incrementally.
 *
 * In unconstrained output a call counts only once its JSON is complete and valid and its name is allowed, so its arguments
 * are one event; all other text is passed on as content, unchanged. In constrained output a call starts with its name, and
 * its arguments follow as they are generated.
 *
 * The parser removes the calls' syntax, and white space around calls. It holds text back only while the text may belong to a
 * call. It does constant work for each character and parses no text of a call twice.
 */
export class ToolCallStreamParser {
  callCount = 0;
  /** The only call that `parallel: false` allows is complete. Further output is ignored, so generation may end. */
  complete = false;
  readonly #options: ToolCallStreamParserOptions;
  readonly #markers: readonly string[];
  readonly #newId: () => string;
  /** `gap`: at the start and after calls, where white space may precede a call. `tail`: before a call's `end`. */
  #state: "gap" | "content" | "call" | "list" | "tail" = "gap";
  /** Text that is not parsed yet. */
  #input = "";
  /** White space and separators, which are content only if content follows. */
  #heldWhitespace = "";
  /** Text of a call that may still turn out to be content. */
  #held = "";
  #callParser: ToolCallParser | null = null;
  /** The syntax of the previous call; null: there was none. */
  #last: ToolCallSyntax | null = null;
  #lastRejected = false;
  /** The current call's `call-start` was emitted. */
  #started = false;
  #events: ToolCallEvent[] = [];

  constructor(options: ToolCallStreamParserOptions) {
    this.#options = options;
    this.#markers = options.syntaxes.map((syntax) => syntax.begin);
    this.#newId = options.newId ?? newToolCallId;
  }

  push(text: string): ToolCallEvent[] {
    if (this.complete) return [];
    this.#input += text;
    while (!this.complete && this.#step());
    return this.#take();
  }

  /** Ends the output. Returns the text that was held back, and ends a call that was started but is cut off. */
  flush(): ToolCallEvent[] {
    if (this.complete) return [];
    // Constrained output that is cut off before a name is a call's syntax, not content.
    const constrained = this.#options.constrained === true;
    if (this.#state === "call") {
      if (this.#started) this.#end();
      else if (!constrained) this.#content(this.#held);
    } else if (this.#state === "gap" || this.#state === "tail") {
      const rest = this.#heldWhitespace + this.#input;
      const isCut = this.#state === "tail" && this.#last!.end.startsWith(this.#input);
      if (!constrained && !isCut && !(this.callCount > 0 && rest.trim() === "")) this.#content(rest);
    } else if (this.#state === "content" || (this.#state === "list" && this.#lastRejected)) {
      this.#content(this.#heldWhitespace + this.#input);
    }
    this.#input = "";
    return this.#take();
  }

  #take(): ToolCallEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Parses further; false: more input is needed. */
  #step(): boolean {
    switch (this.#state) {
      case "content":
        return this.#contentStep();
      case "gap":
        return this.#gapStep();
      case "call":
        return this.#callStep();
      case "list":
        return this.#listStep();
      case "tail":
        return this.#tailStep();
    }
  }

  #contentStep(): boolean {
    const input = this.#input;
    let first: ToolCallSyntax | null = null;
    let at = input.length;
    for (const syntax of this.#options.syntaxes) {
      const found = input.indexOf(syntax.begin);
      if (found !== -1 && found < at) {
        at = found;
        first = syntax;
      }
    }
    if (first === null) at = input.length - partialMarker(input, this.#markers);
    this.#content(input.slice(0, at));
    this.#input = input.slice(at);
    if (first === null) return false;
    this.#begin(first, first.begin.length, false);
    return true;
  }

  #gapStep(): boolean {
    this.#readWhitespace();
    const last = this.#last;
    const separator = last === null || last.list ? "" : last.separator.trim();
    if (separator !== "" && this.#input.startsWith(separator) && this.#heldWhitespace.trim() === "") {
      this.#heldWhitespace += separator;
      this.#input = this.#input.slice(separator.length);
      this.#readWhitespace();
    }
    const input = this.#input;
    if (input === "") return false;
    if (input.startsWith("{")) {
      const bare = last === null ? this.#options.syntaxes.find((syntax) => syntax.bare) : last;
      if (bare?.bare) {
        this.#begin(bare, 0, false);
        return true;
      }
    }
    const syntax = this.#options.syntaxes.find(({ begin }) => input.startsWith(begin));
    if (syntax !== undefined) {
      this.#begin(syntax, syntax.begin.length, false);
      return true;
    }
    if (this.#markers.some((marker) => marker.startsWith(input))) return false;
    this.#toContent();
    return true;
  }

  #toContent(): void {
    this.#content(this.#heldWhitespace);
    this.#heldWhitespace = "";
    this.#state = "content";
  }

  #readWhitespace(): void {
    let end = 0;
    while (end < this.#input.length && " \n\r\t".includes(this.#input[end]!)) end++;
    this.#heldWhitespace += this.#input.slice(0, end);
    this.#input = this.#input.slice(end);
  }

  /** Starts parsing a call, whose beginning is the first `length` characters of the input. */
  #begin(syntax: ToolCallSyntax, length: number, inList: boolean): void {
    this.#held = this.#heldWhitespace + this.#input.slice(0, length);
    this.#heldWhitespace = "";
    this.#input = this.#input.slice(length);
    this.#callParser = new ToolCallParser(syntax, this.#options.names, inList);
    this.#state = "call";
  }

  #callStep(): boolean {
    const parser = this.#callParser!;
    const input = this.#input;
    for (let i = 0; i < input.length; i++) {
      const ch = input[i]!;
      const state = parser.step(ch);
      if (state === "broken") {
        this.#input = input.slice(i);
        this.#emitAsContent();
        this.#state = "content";
        return true;
      }
      if (!this.#started || parser.rejected) this.#held += ch;
      if (parser.rejected) this.#emitAsContent();
      else if (!this.#started && this.#options.constrained === true && parser.name !== null) {
        this.#start(parser.name);
      }
      if (state === "done") {
        this.#input = input.slice(i + 1);
        this.#complete(parser);
        return true;
      }
    }
    this.#input = "";
    if (this.#started && parser.argumentsAreObject) this.#sendArguments(parser.takeNewArguments());
    return false;
  }

  #complete(parser: ToolCallParser): void {
    const json = parser.rejected ? null : parser.arguments();
    const { accept, parallel = true } = this.#options;
    const isCall =
      json !== null && (this.#started || accept === undefined || accept(parser.name as string, json));
    if (isCall) {
      if (!this.#started) this.#start(parser.name as string);
      this.#sendArguments(parser.argumentsAreObject ? parser.takeNewArguments() : json);
      this.#end();
      this.#held = "";
    } else {
      this.#emitAsContent();
    }
    this.#lastRejected = !isCall;
    this.#last = parser.syntax;
    if (isCall && !parallel) this.complete = true;
    if (parser.inList) this.#state = "list";
    else this.#state = isCall ? "tail" : "content";
  }

  #listStep(): boolean {
    this.#readWhitespace();
    const ch = this.#input[0];
    if (ch === undefined) return false;
    if (ch === ",") {
      this.#begin(this.#last!, 1, true);
    } else if (this.#lastRejected) {
      this.#toContent();
    } else if (ch === "]") {
      this.#input = this.#input.slice(1);
      this.#heldWhitespace = "";
      this.#state = "tail";
    } else {
      this.#state = "gap";
    }
    return true;
  }

  /** After a call's JSON. Text up to the call's end is syntax that the model got wrong, and no part of its answer. */
  #tailStep(): boolean {
    this.#readWhitespace();
    // A bracket too many is the commonest fault, and no answer begins with one.
    while (this.#input.startsWith("}") || this.#input.startsWith("]")) {
      this.#input = this.#input.slice(1);
      this.#heldWhitespace = "";
      this.#readWhitespace();
    }
    const input = this.#input;
    if (input === "") return false;
    const { end } = this.#last!;
    if (end !== "") {
      const length = MAX_TAIL + end.length;
      const found = input.slice(0, length).indexOf(end);
      const before = found === -1 ? input.slice(0, length) : input.slice(0, found);
      const beginsCall = this.#markers.some((marker) => before.includes(marker));
      if (found === -1 && !beginsCall && input.length < length) return false;
      if (found !== -1 && !beginsCall) {
        this.#input = input.slice(found + end.length);
        this.#heldWhitespace = "";
      }
    }
    this.#state = "gap";
    return true;
  }

  /** Emits the held text as content. A call that was already started can only be ended. */
  #emitAsContent(): void {
    if (this.#started) this.#end();
    else this.#content(this.#held);
    this.#held = "";
  }

  #start(name: string): void {
    this.#events.push({ type: "call-start", index: this.callCount, id: this.#newId(), name });
    this.#started = true;
  }

  #sendArguments(text: string): void {
    if (text !== "") this.#events.push({ type: "arguments", index: this.callCount, text });
  }

  #end(): void {
    this.#events.push({ type: "call-end", index: this.callCount });
    this.callCount++;
    this.#started = false;
  }

  #content(text: string): void {
    if (text === "") return;
    const last = this.#events.at(-1);
    if (last?.type === "content") last.text += text;
    else this.#events.push({ type: "content", text });
  }
}

/** Length of the longest suffix of the text that is a prefix of a marker. */
function partialMarker(text: string, markers: readonly string[]): number {
  const longest = Math.max(...markers.map((marker) => marker.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(text.length - length);
    if (markers.some((marker) => marker.startsWith(end))) return length;
  }
  return 0;
}
