/**
 * Keeps the texts of schemas that JavaScript's values change: a number beyond a double is rounded, and property names such
 * as "2" move to the front. Everything else in a request works with the values; the compiler takes the text.
 */

/** The schemas' texts, by their parsed values. */
const texts = new WeakMap<object, string>();

/** A number of at least 16 digits, or a property name that is a whole number. Most bodies have neither. */
const NEEDS_TEXT = /\d[\d.]{15}|"(?:\d|\\u003\d)+"\s*:/i;

/** The members of a request that hold schemas. */
const SCHEMA_MEMBERS = ["response_format", "tools", "functions"];
/** Levels of objects and lists below such a member at which a schema can begin. */
const MAX_LEVELS = 4;

/**
 * Remembers the texts of the schemas in a request.
 * @param text the JSON text that `body` was parsed from.
 */
export function rememberSchemaTexts(body: object, text: string): void {
  const members = body as Record<string, unknown>;
  if (!SCHEMA_MEMBERS.some((name) => members[name] != null)) return;
  if (NEEDS_TEXT.test(text)) new SchemaTextScanner(text).scanBody(body);
}

/** Parses a schema that the client sent as text. @throws SyntaxError */
export function parseSchema(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (NEEDS_TEXT.test(text)) new SchemaTextScanner(text).scanValue(value);
  return value;
}

/** The schema as JSON text: the client's own where the values differ from it. */
export function schemaText(schema: unknown): string {
  const text = isContainer(schema) ? texts.get(schema) : undefined;
  return text ?? JSON.stringify(schema);
}

/** The schema with one more keyword, in its value and in its text. */
export function addKeyword(schema: object, keyword: string, value: unknown): Record<string, unknown> {
  const result = { [keyword]: value, ...schema };
  const text = texts.get(schema);
  if (text !== undefined) {
    const rest = text.trim().slice(1).trimStart();
    const member = `${JSON.stringify(keyword)}:${JSON.stringify(value)}`;
    texts.set(result, `{${member}${rest === "}" ? "" : ","}${rest}`);
  }
  return result;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Walks through a valid JSON text beside its parsed value. */
class SchemaTextScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scanBody(body: unknown): void {
    this.#space();
    this.#scanMembers(body, (name, value) => {
      // Its members are merged into the body.
      if (name === "extra_body") this.scanBodyMember(value);
      else if (SCHEMA_MEMBERS.includes(name)) this.#scan(value, MAX_LEVELS);
      else this.#skip();
    });
  }

  scanBodyMember(value: unknown): void {
    if (this.#text[this.#at] === "{") this.scanBody(value);
    else this.#skip();
  }

  scanValue(value: unknown): void {
    this.#space();
    this.#scan(value, MAX_LEVELS);
  }

  /** Scans the value here, and remembers the text of each object down to `levels` below it. */
  #scan(value: unknown, levels: number): void {
    const start = this.#at;
    const first = this.#text[start];
    if (levels === 0 || (first !== "{" && first !== "[")) this.#skip();
    else if (first === "{") this.#scanMembers(value, (_, member) => this.#scan(member, levels - 1));
    else this.#scanItems(value, levels - 1);
    if (first === "{" && isContainer(value)) texts.set(value, this.#text.slice(start, this.#at));
  }

  /** Calls `scan` at the value of each member of the object here; of a repeated name the last value counts. */
  #scanMembers(value: unknown, scan: (name: string, member: unknown) => void): void {
    const object = isContainer(value) ? (value as Record<string, unknown>) : {};
    this.#at++;
    this.#space();
    while (this.#text[this.#at] !== "}") {
      const start = this.#at;
      this.#skipString();
      const name = JSON.parse(this.#text.slice(start, this.#at)) as string;
      this.#space();
      this.#at++;
      this.#space();
      scan(name, Object.hasOwn(object, name) ? object[name] : undefined);
      this.#afterItem();
    }
    this.#at++;
  }

  #scanItems(value: unknown, levels: number): void {
    const list = Array.isArray(value) ? value : [];
    this.#at++;
    this.#space();
    for (let index = 0; this.#text[this.#at] !== "]"; index++) {
      this.#scan(list[index], levels);
      this.#afterItem();
    }
    this.#at++;
  }

  #afterItem(): void {
    this.#space();
    if (this.#text[this.#at] === ",") this.#at++;
    this.#space();
  }

  #space(): void {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "?")) this.#at++;
  }

  #skipString(): void {
    for (let end = this.#text.indexOf('"', this.#at + 1); ; end = this.#text.indexOf('"', end + 1)) {
      let backslashes = 0;
      while (this.#text[end - 1 - backslashes] === "\\") backslashes++;
      if (backslashes % 2 === 1) continue;
      this.#at = end + 1;
      return;
    }
  }

  /** Skips the value here. Iterative: a value may be nested deeper than the stack. */
  #skip(): void {
    let depth = 0;
    do {
      this.#space();
      const char = this.#text[this.#at]!;
      if (char === '"') this.#skipString();
      else {
        if (char === "{" || char === "[") depth++;
        else if (char === "}" || char === "]") depth--;
        this.#at++;
        if (depth === 0 && !"}]".includes(char)) this.#skipScalar();
      }
    } while (depth > 0);
  }

  #skipScalar(): void {
    while (!",]} \n\r\t".includes(this.#text[this.#at] ?? ",")) this.#at++;
  }
}
