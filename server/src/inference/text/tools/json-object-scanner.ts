type Expect = "open" | "value" | "first-value" | "key" | "first-key" | "colon" | "next";

const ATOM = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)$/;
const ATOM_CHAR = /[-+.\w]/;
/** Longest number or literal that is accepted. */
const MAX_ATOM_CHARS = 1024;

/**
 * Scans one JSON object (strictly RFC 8259) character by character and reports as early as possible that it is complete or
 * invalid. Needs no look-ahead and does constant work for each character.
 */
export class JsonObjectScanner {
  /** The part of the outermost object that the last character belongs to. */
  part: "key" | "value" | "syntax" = "syntax";
  #expect: Expect = "open";
  readonly #stack: string[] = [];
  #inString = false;
  #stringIsKey = false;
  /** Characters that an escape sequence still needs: -1 directly after the backslash, then the remaining hex digits. */
  #escape = 0;
  #atom = "";

  step(ch: string): "more" | "done" | "broken" {
    if (this.#inString) return this.#stringStep(ch);
    if (this.#atom !== "") {
      if (ATOM_CHAR.test(ch)) {
        this.#atom += ch;
        return this.#atom.length > MAX_ATOM_CHARS ? "broken" : "more";
      }
      if (!ATOM.test(this.#atom)) return "broken";
      this.#atom = "";
      this.#expect = "next";
    }
    this.part = this.#stack.length > 1 ? "value" : "syntax";
    if (ch === " " || ch === "\n" || ch === "\r" || ch === "\t") return "more";
    return this.#structureStep(ch);
  }

  #structureStep(ch: string): "more" | "done" | "broken" {
    switch (this.#expect) {
      case "open":
        return ch === "{" ? this.#push(ch) : "broken";
      case "first-key":
        if (ch === "}") return this.#pop();
        return ch === '"' ? this.#beginString(true) : "broken";
      case "key":
        return ch === '"' ? this.#beginString(true) : "broken";
      case "colon":
        if (ch !== ":") return "broken";
        this.#expect = "value";
        return "more";
      case "first-value":
        return ch === "]" ? this.#pop() : this.#beginValue(ch);
      case "value":
        return this.#beginValue(ch);
      case "next":
        return this.#nextStep(ch);
    }
  }

  #nextStep(ch: string): "more" | "done" | "broken" {
    const container = this.#stack.at(-1);
    if (ch === ",") {
      this.#expect = container === "{" ? "key" : "value";
      return "more";
    }
    return ch === (container === "{" ? "}" : "]") ? this.#pop() : "broken";
  }

  #beginValue(ch: string): "more" | "broken" {
    this.part = "value";
    if (ch === "{" || ch === "[") return this.#push(ch);
    if (ch === '"') return this.#beginString(false);
    if (!/[-\dtfn]/.test(ch)) return "broken";
    this.#atom = ch;
    return "more";
  }

  #push(ch: string): "more" {
    this.#stack.push(ch);
    this.#expect = ch === "{" ? "first-key" : "first-value";
    return "more";
  }

  #pop(): "more" | "done" {
    this.#stack.pop();
    this.#expect = "next";
    return this.#stack.length === 0 ? "done" : "more";
  }

  #beginString(isKey: boolean): "more" {
    this.#inString = true;
    this.#stringIsKey = isKey;
    if (this.#stack.length === 1) this.part = isKey ? "key" : "value";
    return "more";
  }

  #stringStep(ch: string): "more" | "broken" {
    if (this.#escape === -1) {
      if (!/["\\/bfnrtu]/.test(ch)) return "broken";
      this.#escape = ch === "u" ? 4 : 0;
    } else if (this.#escape > 0) {
      if (!/[\da-fA-F]/.test(ch)) return "broken";
      this.#escape--;
    } else if (ch === "\\") {
      this.#escape = -1;
    } else if (ch === '"') {
      this.#inString = false;
      this.#expect = this.#stringIsKey ? "colon" : "next";
    } else if (ch < " ") {
      return "broken";
    }
    return "more";
  }
}
