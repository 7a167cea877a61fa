import { isJsonObject } from "./json-limits.ts";
import { JsonObjectScanner } from "./json-object-scanner.ts";
import type { ToolCallSyntax } from "./tool-call-syntax.ts";

const ARGUMENT_KEYS = ['"arguments"', '"parameters"'];
const NAME_KEY = '"name"';
/** Some families write these keys beside name and arguments; their values are not used. */
const IGNORED_KEYS = ['"id"', '"type"'];
const KEYS = [NAME_KEY, ...ARGUMENT_KEYS, ...IGNORED_KEYS];

/** Parses one call character by character, from after its `begin` to the end of its JSON. */
export class ToolCallParser {
  readonly syntax: ToolCallSyntax;
  /** The function's name; null until it is complete and is an allowed one. */
  name: string | null = null;
  /** The text is no call. Its object is still parsed to the end, so that no object inside it is mistaken for a call. */
  rejected = false;
  /** The call is an element of a list whose opening bracket was parsed. */
  inList: boolean;
  /** The arguments are an object, so that they can be passed on before they are complete. */
  argumentsAreObject = false;
  #phase: "list" | "tag" | "body" | "object";
  readonly #allowedNames: readonly string[];
  readonly #scanner = new JsonObjectScanner();
  #argumentsRaw = "";
  #newArguments = "";
  #tag = "";
  #key = "";
  #nameRaw = "";
  #partBefore = "syntax";

  constructor(syntax: ToolCallSyntax, names: readonly string[], inList: boolean) {
    this.syntax = syntax;
    this.inList = inList;
    this.#allowedNames = names;
    this.#phase = syntax.head.kind === "tag" ? "tag" : syntax.list && !inList ? "list" : "body";
  }

  /** `broken`: the character can't belong to a call, and is not consumed. */
  step(ch: string): "more" | "done" | "broken" {
    if (this.#phase === "tag") return this.#tagStep(ch);
    if (this.#phase === "object") return this.#objectStep(ch);
    if (ch === " " || ch === "\n" || ch === "\r" || ch === "\t") return "more";
    if (ch === "[" && this.#phase === "list") {
      this.inList = true;
      this.#phase = "body";
      return "more";
    }
    this.#phase = "object";
    return this.#objectStep(ch);
  }

  /** The arguments as the JSON text of an object; null: they are no object. To be called after `done`. */
  arguments(): string | null {
    const raw = this.#argumentsRaw;
    if (raw === "" || raw === "null") return "{}";
    if (this.argumentsAreObject) return raw;
    if (!raw.startsWith('"')) return null;
    // Some models write the arguments in the form of OpenAI's API: a JSON string that holds JSON text.
    try {
      const text = JSON.parse(raw) as string;
      return isJsonObject(JSON.parse(text)) ? text : null;
    } catch {
      return null;
    }
  }

  /** The arguments' text since the previous call. */
  takeNewArguments(): string {
    const text = this.#newArguments;
    this.#newArguments = "";
    return text;
  }

  #addArguments(ch: string): void {
    if (this.#argumentsRaw === "") this.argumentsAreObject = ch === "{";
    this.#argumentsRaw += ch;
    this.#newArguments += ch;
  }

  #tagStep(ch: string): "more" | "broken" {
    const nameEnd = this.syntax.head.kind === "tag" ? this.syntax.head.nameEnd : "";
    const tag = this.#tag + ch;
    const name = this.#allowedNames.find((candidate) => `${candidate}${nameEnd}`.startsWith(tag));
    if (name === undefined) return "broken";
    this.#tag = tag;
    if (tag.length === name.length + nameEnd.length) {
      this.name = name;
      this.#phase = "body";
    }
    return "more";
  }

  #objectStep(ch: string): "more" | "done" | "broken" {
    const state = this.#scanner.step(ch);
    if (state === "broken") return state;
    if (this.syntax.head.kind === "tag") {
      this.#addArguments(ch);
      return state;
    }
    const part = this.#scanner.part;
    const first = part !== this.#partBefore;
    this.#partBefore = part;
    if (part === "key") this.#readKey(ch, first);
    else if (part === "value") this.#readValue(ch, first);
    if (state === "done" && this.name === null) this.rejected = true;
    return state;
  }

  #readKey(ch: string, first: boolean): void {
    this.#key = first ? ch : this.#key + ch;
    if (!KEYS.some((key) => key.startsWith(this.#key))) this.rejected = true;
  }

  #readValue(ch: string, first: boolean): void {
    if (this.#key === NAME_KEY) {
      if (first && this.#nameRaw !== "") this.rejected = true;
      this.#nameRaw += ch;
      const name = this.#allowedNames.find((candidate) => `"${candidate}"`.startsWith(this.#nameRaw));
      if (name === undefined) this.rejected = true;
      else if (this.#nameRaw.length === name.length + 2) this.name = name;
    } else if (ARGUMENT_KEYS.includes(this.#key)) {
      // With two values for the arguments it would be unclear which one is meant.
      if (first && (this.#argumentsRaw !== "" || !/["{n]/.test(ch))) this.rejected = true;
      this.#addArguments(ch);
    }
  }
}
