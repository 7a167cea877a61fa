/** Reads and edits INI files: `[section]` and `key = value` lines, `#` and `;` comments, quotes. */

const SECTION = /^\s*\[([^\]]*)\]\s*$/;
const ENTRY = /^\s*([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/;

/** Values by section and key. Keys before the first section are in section "". */
export function readIni(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    const heading = SECTION.exec(line);
    const entry = ENTRY.exec(line);
    if (heading !== null) section = (heading[1] as string).trim();
    else if (entry !== null) {
      const values = sections.get(section) ?? new Map<string, string>();
      values.set(entry[1] as string, unquoted(entry[2] as string));
      sections.set(section, values);
    }
  }
  return sections;
}

/** Sets values in a section and leaves the rest of the text unchanged. A null value deletes the key. */
export function withValues(
  text: string,
  section: string,
  values: Readonly<Record<string, string | null>>,
): string {
  const added = Object.entries(values).flatMap(([key, value]) =>
    value === null ? [] : [`${key} = ${value}`],
  );
  const lines: string[] = [];
  let current = "";
  let isPlaced = false;
  for (const line of text.trimEnd().split(/\r?\n/)) {
    const heading = SECTION.exec(line)?.[1]?.trim();
    current = heading ?? current;
    if (current === section && Object.hasOwn(values, ENTRY.exec(line)?.[1] ?? "")) continue;
    lines.push(line);
    if (heading !== section || isPlaced) continue;
    lines.push(...added);
    isPlaced = true;
  }
  if (!isPlaced) lines.push(...(lines.join("") === "" ? [] : [""]), `[${section}]`, ...added);
  return `${lines.join("\n").trimStart()}\n`;
}

function unquoted(value: string): string {
  const quotes = /^(["'])(.*)\1(\s*[#;].*)?$/.exec(value);
  return quotes === null ? value.replace(/\s+[#;].*$/, "") : (quotes[2] as string);
}
