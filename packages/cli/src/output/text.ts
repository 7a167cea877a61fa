/** Formats responses of the API as text, `Display Name: …`, in the format of Fireworks' firectl. */

/** A resource as the API returns it. */
export type ResourceObject = Readonly<Record<string, unknown>>;

/** One line a field, `name` first. Leaves out empty strings, lists and messages, and unspecified enums. */
export function resourceText(object: ResourceObject): string {
  const { name, ...others } = object;
  return lines(name === undefined ? others : { name, ...others }, "")
    .join("\n")
    .concat("\n");
}

/** `keyId` → `Key Id`. */
export function label(field: string): string {
  const words = field.replace(/([a-z0-9])([A-Z])/g, "$1 $2");
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** Escapes control characters and characters that change the writing direction, so that text can't control the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    character === "\n" ? "\\n" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A scalar value on one line. */
export function scalarText(value: unknown): string {
  return printable(typeof value === "string" ? value : String(value));
}

/** Fields whose keys the user has chosen: they are printed unchanged. */
const MAPS = new Set(["annotations", "loadTargets", "defaultSamplingParams"]);

function lines(object: ResourceObject, indent: string, isMap = false): string[] {
  return Object.entries(object).flatMap(([field, value]) => {
    if (isEmptyValue(value)) return [];
    const start = `${indent}${printable(isMap ? field : label(field))}:`;
    if (Array.isArray(value)) {
      const isPlain = value.every((item) => typeof item !== "object" || item === null);
      return isPlain
        ? [`${start} [${value.map(scalarText).join(", ")}]`]
        : [start, ...listLines(value, indent)];
    }
    if (typeof value === "object" && value !== null)
      return [start, ...lines(value as ResourceObject, `${indent}  `, MAPS.has(field))];
    return [`${start} ${scalarText(value)}`];
  });
}

/** A list of objects in braces. Fields that are false are left out. */
function listLines(entries: readonly unknown[], indent: string): string[] {
  const inner = entries.flatMap((entry, i) => {
    const fields = Object.entries(entry as ResourceObject).filter(([, value]) => value !== false);
    const fieldLines = lines(Object.fromEntries(fields), `${indent}    `);
    return [`${indent}  ${i === 0 ? "[" : ""}{`, ...fieldLines, `${indent}  },`];
  });
  return [...inner, `${indent}]`];
}

function isEmptyValue(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (typeof value === "string") return value.endsWith("_UNSPECIFIED");
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value !== "object") return false;
  const { code, message, ...others } = value as { code?: unknown; message?: unknown };
  const isOkStatus = (code === "OK" || code === undefined) && !message;
  return isOkStatus && Object.values(others).every(isEmptyValue);
}
