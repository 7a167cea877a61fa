/** Python's operations on texts. */
import { TemplateError } from "./errors.ts";
import { characters } from "./values.ts";

/** Longest text that a template may make, in UTF-16 units. */
const MAX_TEXT_LENGTH = 16 * 1024 * 1024;

/** What Python's `str.isspace` accepts; JavaScript's white space differs. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const ONLY_SPACE = new RegExp(`^[${SPACE}]+$`);
const SPACES = new RegExp(`[${SPACE}]+`);
const WORD = new RegExp(`[^-({\\[<${SPACE}]+`, "g");
const LEADING_SPACE = new RegExp(`^[${SPACE}]+`);

/** @throws TemplateError when a text of this length would be too long. */
export function checkTextLength(length: number): void {
  if (length > MAX_TEXT_LENGTH) throw new TemplateError("a text is too long");
}

/** @param chars the characters to remove; null: white space. */
export function strip(text: string, side: "left" | "right" | "both", chars: string | null): string {
  const units = characters(text);
  const isStripped =
    chars === null
      ? (character: string) => ONLY_SPACE.test(character)
      : (
          (set) => (character: string) =>
            set.has(character)
        )(new Set(characters(chars)));
  let start = 0;
  let end = units.length;
  if (side !== "right") while (start < end && isStripped(units[start]!)) start++;
  if (side !== "left") while (end > start && isStripped(units[end - 1]!)) end--;
  return units.slice(start, end).join("");
}

/** @param max most splits; below 0: all. */
export function split(text: string, separator: string | null, max: number): string[] {
  if (separator === null) return splitAtSpace(text, max);
  if (separator === "") throw new TemplateError("empty separator");
  const parts = text.split(separator);
  return max < 0 || parts.length <= max ? parts : [...parts.slice(0, max), parts.slice(max).join(separator)];
}

function splitAtSpace(text: string, max: number): string[] {
  const parts: string[] = [];
  let rest = text.replace(LEADING_SPACE, "");
  while (rest !== "") {
    const space = parts.length === max ? null : SPACES.exec(rest);
    if (space === null) return [...parts, parts.length === max ? strip(rest, "right", null) : rest];
    parts.push(rest.slice(0, space.index));
    rest = rest.slice(space.index + space[0].length);
  }
  return parts;
}

/** Splits from the end. */
export function splitRight(text: string, separator: string | null, max: number): string[] {
  const parts = split(text, separator, -1);
  if (max < 0 || parts.length <= max + 1) return parts;
  if (separator !== null) {
    const firsts = parts.slice(0, parts.length - max);
    return [firsts.join(separator), ...parts.slice(parts.length - max)];
  }
  const mirror = (part: string) => characters(part).reverse().join("");
  return splitAtSpace(mirror(text), max).map(mirror).reverse();
}

export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines =
    text.match(/[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|$)/g) ?? [];
  const whole = lines.slice(0, lines.at(-1) === "" ? -1 : undefined);
  return keepEnds
    ? whole
    : whole.map((line) => line.replace(/(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])$/, ""));
}

/** @param max most replacements; below 0: all. */
export function replaceText(text: string, from: string, to: string, max: number): string {
  const parts = from === "" ? ["", ...characters(text), ""] : text.split(from);
  const count = max < 0 ? parts.length - 1 : Math.min(max, parts.length - 1);
  checkTextLength(text.length + count * (to.length - from.length));
  return (
    parts.slice(0, count + 1).join(to) +
    parts
      .slice(count + 1)
      .map((part) => from + part)
      .join("")
  );
}

export function repeatText(text: string, count: number): string {
  checkTextLength(text.length * Math.max(0, count));
  return text.repeat(Math.max(0, count));
}

/** Python's `str.title`: a letter after anything that is no letter is in upper case, the others in lower case. */
export function titleCase(text: string): string {
  return text.replace(/\p{L}+/gu, (word) => capitalize(word));
}

/** Jinja2's filter `title`: words begin after white space, dashes and opening brackets alone. */
export function titleWords(text: string): string {
  return text.replace(WORD, capitalize);
}

export function capitalize(text: string): string {
  const [first = "", ...rest] = characters(text);
  return first.toUpperCase() + rest.join("").toLowerCase();
}

export function isUpper(text: string): boolean {
  return text === text.toUpperCase() && text !== text.toLowerCase();
}

export function isLower(text: string): boolean {
  return text === text.toLowerCase() && text !== text.toUpperCase();
}

export function isSpace(text: string): boolean {
  return ONLY_SPACE.test(text);
}

/** @param side where the text stands. */
export function pad(
  text: string,
  width: number,
  { side, fill }: { side: "left" | "right" | "center"; fill: string },
): string {
  const missing = Math.max(0, width - characters(text).length);
  checkTextLength(missing);
  const left =
    side === "left" ? 0 : side === "right" ? missing : Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}
