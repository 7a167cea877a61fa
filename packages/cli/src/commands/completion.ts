import { quoted } from "../args/flags.ts";
import { didYouMean } from "../args/suggest.ts";
import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { COMMANDS } from "./table.ts";

/** Words that can follow some words, flags among them: `{"": ["create", …], "create": ["model", …], "create model": ["--public", …]}`. */
function choices(): Map<string, string[]> {
  const found = new Map<string, Set<string>>();
  const add = (before: string, words: readonly string[]): void => {
    found.set(before, new Set([...(found.get(before) ?? []), ...words]));
  };
  for (const { words, flags } of COMMANDS) {
    const [[first = ""] = [], nouns] = words;
    add("", [first]);
    for (const noun of nouns ?? []) add(first, [noun]);
    const names = [...flags, ...GLOBAL_FLAGS].map(({ name }) => `--${name}`);
    for (const line of nouns?.map((noun) => `${first} ${noun}`) ?? [first]) add(line, names);
  }
  return new Map([...found].map(([before, words]) => [before, [...words].sort()]));
}

const SCRIPTS: Readonly<Record<string, () => string>> = { bash, zsh, fish };

export const completion: Run = async ({ args, out }) => {
  const [shell = ""] = args;
  const script = SCRIPTS[shell];
  if (script === undefined) {
    const known = Object.keys(SCRIPTS);
    throw new UsageError(
      `There is no completion for ${quoted(shell)}.${didYouMean(shell, known)} It knows ${known.join(", ")}.`,
    );
  }
  await out.raw(script());
};

/** Lines of a `case`, by the words before. */
function cases(indent: string): string {
  return [...choices()]
    .map(([before, words]) => `${indent}"${before}") words="${words.join(" ")}" ;;`)
    .join("\n");
}

function bash(): string {
  return `# firectl completion bash
_firectl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) before="$before $word" ;; esac
  done
  before="\${before# }"
  while :; do
    case "$before" in
${cases("      ")}
    esac
    [[ -n "$words" || "$before" != *" "* ]] && break
    before="\${before% *}"
  done
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _firectl firectl
`;
}

function zsh(): string {
  return `#compdef firectl
# firectl completion zsh
autoload -U +X bashcompinit && bashcompinit
${bash()}`;
}

function fish(): string {
  const lines = [...choices()].flatMap(([before, words]) => {
    const condition =
      before === ""
        ? "__fish_use_subcommand"
        : before
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    const nouns = words.filter((word) => !word.startsWith("-"));
    const unlessNoun =
      before !== "" && nouns.length > 0 ? `; and not __fish_seen_subcommand_from ${nouns.join(" ")}` : "";
    return [
      ...(nouns.length > 0
        ? [`complete -c firectl -f -n '${condition}${unlessNoun}' -a '${nouns.join(" ")}'`]
        : []),
      ...words
        .filter((word) => word.startsWith("--"))
        .map((word) => `complete -c firectl -n '${condition}' -l ${word.slice(2)}`),
    ];
  });
  return `# firectl completion fish\n${lines.join("\n")}\n`;
}
