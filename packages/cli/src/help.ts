import type { Flag } from "./args/flags.ts";
import type { Command } from "./commands/command.ts";
import { GLOBAL_FLAGS } from "./commands/global-flags.ts";

const TYPE_NAMES: Readonly<Record<string, string>> = { loads: "key=value,…", bool: "" };

const MAX_LINE_CHARS = 64;

/** The help of `firectl` itself. */
export function programHelp(commands: readonly Command[]): string {
  const verbs = new Map<string, string[]>();
  const single: string[][] = [];
  for (const { words, summary } of commands) {
    const [first = [], second] = words;
    const word = first[0] as string;
    if (second === undefined) single.push([word, summary]);
    else verbs.set(word, [...(verbs.get(word) ?? []), second[0] as string]);
  }
  return sections([
    ["", ["Command line for Hearth and hosts that speak the same API."]],
    ["Usage", ["firectl <command> [flags]"]],
    ["Resources", columns([...verbs].flatMap(([verb, nouns]) => nounLines(verb, nouns)))],
    ["Commands", columns(single)],
    ["Global flags", flagLines(GLOBAL_FLAGS, "firectl")],
    ["", ['"firectl <command> --help" shows the flags and examples of a command.']],
  ]);
}

/** Wraps a verb's nouns to lines that fit a terminal; the first line begins with the verb. */
function nounLines(verb: string, nouns: readonly string[]): [start: string, line: string][] {
  const lines = [""];
  for (const noun of nouns) {
    const last = lines.at(-1) as string;
    if (last.length + noun.length > MAX_LINE_CHARS) lines.push(noun);
    else lines[lines.length - 1] = last === "" ? noun : `${last}, ${noun}`;
  }
  return lines.map((line, i) => [i === 0 ? verb : "", i === lines.length - 1 ? line : `${line},`]);
}

/** The help of a group of commands, such as `firectl create`. */
export function groupHelp(words: readonly string[], commands: readonly Command[]): string {
  const line = ["firectl", ...words].join(" ");
  const inner = commands.filter((command) => words.every((word, i) => command.words[i]?.includes(word)));
  const lines = inner.map(({ words: all, summary }) => [
    (all[words.length] as readonly string[])[0] as string,
    summary,
  ]);
  return sections([
    ["Usage", [`${line} <resource> [flags]`]],
    ["Resources", columns(lines)],
    ["", [`"${line} <resource> --help" shows its flags and examples.`]],
  ]);
}

export function commandHelp(command: Command): string {
  const { words, args, summary, examples, flags } = command;
  const line = ["firectl", ...words.map(([word]) => word)].join(" ");
  const placeholders = args.map(({ name, isOptional }) => (isOptional === true ? `[${name}]` : `<${name}>`));
  const others = words.at(-1)?.slice(1) ?? [];
  return sections([
    ["", [summary]],
    ["Usage", [[line, ...placeholders, "[flags]"].join(" ")]],
    ["Aliases", others.length === 0 ? [] : [others.join(", ")]],
    ["Examples", examples],
    ["Flags", flagLines(flags, words.at(-1)?.[0] ?? "")],
    ["Global flags", flagLines(GLOBAL_FLAGS)],
  ]);
}

function sections(parts: readonly (readonly [title: string, lines: readonly string[]])[]): string {
  return parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) =>
      (title === "" ? lines : [`${title}:`, ...lines.map((line) => `  ${line}`)]).join("\n"),
    )
    .join("\n\n")
    .concat("\n");
}

/** @param subject adds the flag `--help` with the text "Help for subject." */
function flagLines(flags: readonly Flag[], subject?: string): string[] {
  const help: Flag[] =
    subject === undefined ? [] : [{ name: "help", short: "h", type: "bool", help: `Help for ${subject}.` }];
  const sorted = [...flags, ...help].sort((a, b) => (a.name < b.name ? -1 : 1));
  return columns(
    sorted.map(({ name, short, type, help: text }) => {
      const start = short === undefined ? "    " : `-${short}, `;
      return [`${start}--${name} ${TYPE_NAMES[type] ?? type}`.trimEnd(), text];
    }),
  );
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([first = ""]) => first.length));
  return rows.map(([first = "", second = ""]) => `${first.padEnd(width)}   ${second}`);
}
