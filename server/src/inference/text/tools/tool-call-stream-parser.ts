import { newToolCallId } from "./tool-call-ids.ts";
import { ToolCallParser } from "./tool-call-parser.ts";
import type { ToolCallSyntax } from "./tool-call-syntax.ts";

/** What the output of one choice consists of. `arguments` joined from `call-start` to `call-end` are JSON text. */
export type ToolCallEvent =
  | { type: "content"; text: string }
  | { type: "call-start"; index: number; id: string; name: string }
  | { type: "arguments"; index: number; text: string }
  | { type: "call-end"; index: number };

export interface ToolCallStreamParserOptions {
  /** The family's syntax first, then the others it may use. */
  syntaxes: readonly ToolCallSyntax[];
  /** Functions that may be called; any other name stays content. */
  names: readonly string[];
  /** A grammar forces the output into the first syntax: arguments can be passed on before they are complete. */
  constrained?: boolean;
  /** False: the first call ends the reply. Default true. */
  parallel?: boolean;
  /** Last word on a complete call of unconstrained output, such as a check against a strict tool's schema. */
  accept?: (name: string, argumentsJson: string) => boolean;
  newId?: () => string;
}

/**
 * Splits a choice's output into text and calls, as it comes.
 *
 * Unconstrained output becomes a call once its JSON is complete and valid and its name is known, so its arguments come
 * as one event; what turns out to be none stays content, to the letter. Constrained output can't turn out otherwise:
 * there the call starts with its name and the arguments follow as they come.
 *
 * Dropped is only what belongs to the calls' syntax, and white space around calls that is no other content.
 * Text is held back only while it may still belong to a call. Constant work a character; what was read as a part
 * of a call is never read again.
 */
export class ToolCallStreamParser {
  /** Calls so far. */
  callCount = 0;
  /** The one call of `parallel: false` is complete: nothing further is read, so the generation can be ended. */
  complete = false;
  readonly #options: ToolCallStreamParserOptions;
  readonly #markers: readonly string[];
  readonly #newId: () => string;
  /** `gap`: at the start and after calls, where white space decides nothing. `tail`: where a call's end is due. */
  #state: "gap" | "content" | "call" | "list" | "tail" = "gap";
  /** Not read yet. */
  #input = "";
  /** White space and separators that are content only if content follows. */
  #heldWhitespace = "";
  /** Read as part of a call that isn't certain yet. */
  #held = "";
  #callParser: ToolCallParser | null = null;
  /** The syntax of the call just read, if that is what stands right before. */
  #last: ToolCallSyntax | null = null;
  #lastRejected = false;
  /** The open call was announced. */
  #started = false;
  #events: ToolCallEvent[] = [];

  constructor(options: ToolCallStreamParserOptions) {
    this.#options = options;
    this.#markers = options.syntaxes.map((syntax) => syntax.begin);
    this.#newId = options.newId ?? newToolCallId;
  }

  /** The next piece of the choice's text. */
  push(text: string): ToolCallEvent[] {
    if (this.complete) return [];
    this.#input += text;
    while (!this.complete && this.#step());
    return this.#take();
  }

  /** The end of the choice's text: what was held back. A call that is cut off is ended if it had been announced. */
  flush(): ToolCallEvent[] {
    if (this.complete) return [];
    // Constrained output is syntax for certain, even where it breaks off before the name.
    const certain = this.#options.constrained === true;
    if (this.#state === "call") {
      if (this.#started) this.#end();
      else if (!certain) this.#content(this.#held);
    } else if (this.#state === "gap") {
      const rest = this.#heldWhitespace + this.#input;
      if (!certain && !(this.callCount > 0 && rest.trim() === "")) this.#content(rest);
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

  /** Reads on; false when the input is used up or more is needed to decide. */
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

  /** Takes `length` characters of the input as the beginning of a call. */
  #begin(syntax: ToolCallSyntax, length: number, inList: boolean): void {
    this.#held = this.#heldWhitespace + this.#input.slice(0, length);
    this.#heldWhitespace = "";
    this.#input = this.#input.slice(length);
    this.#callParser = new ToolCallParser(syntax, this.#options.names, inList);
    this.#state = "call";
  }

  #callStep(): boolean {
    const reader = this.#callParser!;
    const input = this.#input;
    for (let i = 0; i < input.length; i++) {
      const ch = input[i]!;
      const state = reader.step(ch);
      if (state === "broken") {
        this.#input = input.slice(i);
        this.#emitAsContent();
        this.#state = "content";
        return true;
      }
      if (!this.#started || reader.rejected) this.#held += ch;
      if (reader.rejected) this.#emitAsContent();
      else if (!this.#started && this.#options.constrained === true && reader.name !== null) {
        this.#start(reader.name);
      }
      if (state === "done") {
        this.#input = input.slice(i + 1);
        this.#complete(reader);
        return true;
      }
    }
    this.#input = "";
    if (this.#started && reader.argumentsAreObject) this.#sendArguments(reader.takeNewArguments());
    return false;
  }

  #complete(reader: ToolCallParser): void {
    const json = reader.rejected ? null : reader.arguments();
    const { accept, parallel = true } = this.#options;
    const isCall =
      json !== null && (this.#started || accept === undefined || accept(reader.name as string, json));
    if (isCall) {
      if (!this.#started) this.#start(reader.name as string);
      this.#sendArguments(reader.argumentsAreObject ? reader.takeNewArguments() : json);
      this.#end();
      this.#held = "";
    } else {
      this.#emitAsContent();
    }
    this.#lastRejected = !isCall;
    this.#last = reader.syntax;
    if (isCall && !parallel) this.complete = true;
    if (reader.inList) this.#state = "list";
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

  #tailStep(): boolean {
    this.#readWhitespace();
    const end = this.#last!.end;
    if (end !== "") {
      if (this.#input.startsWith(end)) {
        this.#input = this.#input.slice(end.length);
        this.#heldWhitespace = "";
      } else if (end.startsWith(this.#input)) {
        return false;
      }
    }
    this.#state = "gap";
    return true;
  }

  /** What was read is no call: it is content. A call already announced can only be ended. */
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

/** Length of the longest end of the text that is the beginning of a marker. */
function partialMarker(text: string, markers: readonly string[]): number {
  const longest = Math.max(...markers.map((marker) => marker.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(text.length - length);
    if (markers.some((marker) => marker.startsWith(end))) return length;
  }
  return 0;
}
