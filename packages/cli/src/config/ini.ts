/** Files of `[section]` and `key = value` lines, with `#` and `;` comments and quotes. */

const SECTION = /^\s*\[([^\]]*)\]\s*$/;
const ENTRY = /^\s*([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/;

/** Values by section and key; what stands before the first section is in the one named "". */
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

/** The text with these values in that section, null for none; everything else as it was. */
export function withValues(
  text: string,
  section: string,
  values: Readonly<Record<string, string | null>>,
): string {
  const lines = text.split(/\r?\n/);
  const start = lines.findIndex((line) => SECTION.exec(line)?.[1]?.trim() === section);
  const before = start === -1 ? lines : lines.slice(0, start);
  const rest = start === -1 ? [] : lines.slice(start + 1);
  const next = rest.findIndex((line) => SECTION.test(line));
  const own = next === -1 ? rest : rest.slice(0, next);
  const after = next === -1 ? [] : rest.slice(next);
  const kept = own.filter((line) => line.trim() !== "" && !((ENTRY.exec(line)?.[1] ?? "") in values));
  const added = Object.entries(values).flatMap(([key, value]) =>
    value === null ? [] : [`${key} = ${value}`],
  );
  const blocks = [before, [`[${section}]`, ...added, ...kept], after].map((block) => block.join("\n").trim());
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function unquoted(value: string): string {
  const quotes = /^(["'])(.*)\1(\s*[#;].*)?$/.exec(value);
  return quotes === null ? value.replace(/\s+[#;].*$/, "") : (quotes[2] as string);
}
