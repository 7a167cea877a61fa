/** What the API answers, for people to read: `Display Name: …`, as the reference prints it. */

export type ResourceObject = Readonly<Record<string, unknown>>;

/** One object in lines, its name first. Empty texts, lists and messages and unspecified enums are left out. */
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

/** Text that can't steer a terminal: control characters and such as turn the writing direction are spelt out. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    character === "\n" ? "\\n" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** One value in a line. */
export function scalarText(value: unknown): string {
  return printable(typeof value === "string" ? value : String(value));
}

/** Fields whose keys are the user's own words. */
const MAPS = new Set(["annotations", "loadTargets", "defaultSamplingParams"]);

function lines(object: ResourceObject, indent: string, isMap = false): string[] {
  return Object.entries(object).flatMap(([field, value]) => {
    if (isNothing(value)) return [];
    const start = `${indent}${printable(isMap ? field : label(field))}:`;
    if (Array.isArray(value)) {
      const isPlain = value.every((one) => typeof one !== "object" || one === null);
      return isPlain
        ? [`${start} [${value.map(scalarText).join(", ")}]`]
        : [start, ...listLines(value, indent)];
    }
    if (typeof value === "object" && value !== null)
      return [start, ...lines(value as ResourceObject, `${indent}  `, MAPS.has(field))];
    return [`${start} ${scalarText(value)}`];
  });
}

/** The entries in braces; what is false is left out, as it says nothing there. */
function listLines(entries: readonly unknown[], indent: string): string[] {
  const inner = entries.flatMap((entry, i) => {
    const fields = Object.entries(entry as ResourceObject).filter(([, value]) => value !== false);
    const own = lines(Object.fromEntries(fields), `${indent}    `);
    return [`${indent}  ${i === 0 ? "[" : ""}{`, ...own, `${indent}  },`];
  });
  return [...inner, `${indent}]`];
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (typeof value === "string") return value.endsWith("_UNSPECIFIED");
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value !== "object") return false;
  const { code, message, ...others } = value as { code?: unknown; message?: unknown };
  const isFine = (code === "OK" || code === undefined) && !message;
  return isFine && Object.values(others).every(isNothing);
}
