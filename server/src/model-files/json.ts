import { ModelFileError } from "./errors.ts";
import { readSmallFile } from "./file-bytes.ts";

const MAX_DEPTH = 64;
/** Most objects, lists and keys in a file. Bounds the memory of parsing; the largest vocabularies have 900,000. */
const MAX_PARTS = 2_000_000;

/** An object in a JSON file. Checks the types of the fields that are read; errors name the file and the field. */
export class JsonObject {
  readonly file: string;
  /** Prefix of the object's field names in errors: "" or "rope_scaling.". */
  readonly #path: string;
  readonly #value: Readonly<Record<string, unknown>>;

  constructor(file: string, value: unknown, path = "") {
    if (!isRecord(value))
      throw new ModelFileError(file, `${path.slice(0, -1) || "its JSON"} must be an object.`);
    this.file = file;
    this.#path = path;
    this.#value = value;
  }

  keys(): string[] {
    return Object.keys(this.#value);
  }

  /** The field's value, unchecked; undefined when the field is absent or null. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#value, key) ? (this.#value[key] ?? undefined) : undefined;
  }

  fail(key: string, problem: string): ModelFileError {
    return new ModelFileError(this.file, `${this.#path}${key} ${problem}`);
  }

  /** A whole number from `min` to `max`. */
  integer(key: string, min: number, max: number): number {
    return this.#required(key, this.optionalInteger(key, min, max));
  }

  optionalInteger(key: string, min: number, max: number): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw this.fail(key, `must be an integer between ${min} and ${max}, inclusive.`);
    }
    return value;
  }

  /** A finite number > 0. */
  positive(key: string): number {
    return this.#required(key, this.optionalPositive(key));
  }

  optionalPositive(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
      throw this.fail(key, "must be a number above 0.");
    }
    return value;
  }

  text(key: string): string {
    return this.#required(key, this.optionalText(key));
  }

  optionalText(key: string): string | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "string") return value;
    throw this.fail(key, "must be a string.");
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.fail(key, "must be true or false.");
  }

  array(key: string): readonly unknown[] {
    return this.#required(key, this.optionalArray(key));
  }

  optionalArray(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.fail(key, "must be a list.");
  }

  numbers(key: string): number[] {
    return this.array(key).map((item) => {
      if (typeof item !== "number" || !Number.isFinite(item))
        throw this.fail(key, "must be a list of numbers.");
      return item;
    });
  }

  strings(key: string): string[] {
    return this.array(key).map((item) => {
      if (typeof item !== "string") throw this.fail(key, "must be a list of strings.");
      return item;
    });
  }

  object(key: string): JsonObject {
    return this.#required(key, this.optionalObject(key));
  }

  optionalObject(key: string): JsonObject | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : this.within(key, value);
  }

  /** Wraps a value from within this object. @param position the value's position, for errors: "added_tokens[3]" */
  within(position: string, value: unknown): JsonObject {
    return new JsonObject(this.file, value, `${this.#path}${position}.`);
  }

  #required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw this.fail(key, "is missing.");
    return value;
  }
}

/** @throws ModelFileError: missing, too large, not UTF-8, not JSON, a key twice in one object, no object. */
export async function readJsonFile(folder: string, name: string, maxBytes: number): Promise<JsonObject> {
  return parseJsonObject(name, await readSmallFile(folder, name, maxBytes));
}

export function parseJsonObject(file: string, bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ModelFileError(file, "is not UTF-8 text.");
  }
  try {
    // Runs before JSON.parse: parsed, a file of brackets would take twenty times its size in memory.
    checkJsonStructure(file, text);
    return new JsonObject(file, JSON.parse(text));
  } catch (error) {
    if (error instanceof ModelFileError) throw error;
    throw new ModelFileError(file, "is not valid JSON.");
  }
}

/**
 * Refuses a file that is nested too deeply, has too many parts, or has a key twice in one object: JSON.parse takes the
 * last of two equal keys, but other parsers take the first. Does not refuse text that is not JSON; JSON.parse does.
 */
function checkJsonStructure(file: string, text: string): void {
  const open: (Set<string> | null)[] = [];
  let parts = 0;
  for (let at = 0; at < text.length; at++) {
    const mark = text[at];
    if (parts > MAX_PARTS) throw new ModelFileError(file, `has more than ${MAX_PARTS} parts.`);
    if (mark === "{" || mark === "[") {
      parts++;
      if (open.push(mark === "{" ? new Set() : null) > MAX_DEPTH) {
        throw new ModelFileError(file, "is nested too deeply.");
      }
    } else if (mark === "}" || mark === "]") open.pop();
    else if (mark === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys && isKey(text, end)) {
        // Decodes escapes: equal keys can be escaped differently.
        const inner = text.slice(at + 1, end - 1);
        const key = inner.includes("\\") ? (JSON.parse(`"${inner}"`) as string) : inner;
        if (keys.has(key)) throw new ModelFileError(file, `has the key ${quoted(key)} twice.`);
        keys.add(key);
        parts++;
      }
      at = end - 1;
    }
  }
}

/** Index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (/\s/.test(text[at] ?? "")) at++;
  return text[at] === ":";
}

/** Quotes text from an upload for a message: shortened, with special characters escaped. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
