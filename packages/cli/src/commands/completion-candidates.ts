import type { Flag } from "../args/flags.ts";
import type { Command } from "./command.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { COMMANDS } from "./table.ts";

/** A word that can follow, with what it is. */
export type CompletionCandidate = readonly [word: string, about: string];

const HELP: Flag = { name: "help", short: "h", type: "bool", help: "Help for the command." };

/**
 * What can stand where the last of these words is, in lines for a shell: a word, a tab, what it is; or `:files`, `:folders`
 * where names of such belong.
 * @param line what follows `firectl`, the last word as far as it is typed
 */
export function completions(line: readonly string[]): string {
  const words = rejoined(line);
  const current = words.pop() ?? "";
  const place = new CompletionState();
  for (const word of words) place.pass(word);
  const found = place.choices(current);
  if (typeof found === "string") return `:${found}\n`;
  const fitting = found.filter(([word]) => word.startsWith(current));
  return fitting.map(([word, about]) => `${word}\t${about}\n`).join("");
}

/** Bash takes `--output=json` apart, into three words. */
function rejoined(line: readonly string[]): string[] {
  const words: string[] = [];
  for (const word of line) {
    const last = words.at(-1);
    if (last?.startsWith("--") && (word === "=" || /^--[^=]+=$/.test(last)))
      words[words.length - 1] = last + word;
    else words.push(word);
  }
  return words;
}

/** How far a command line is. */
class CompletionState {
  #candidates: readonly Command[] = COMMANDS;
  #command: Command | null = null;
  #depth = 0;
  #args = 0;
  #isPlain = false;
  /** The flag that the next word is the value of. */
  #flag: Flag | undefined;

  pass(word: string): void {
    if (this.#flag !== undefined) this.#flag = undefined;
    else if (word === "--") this.#isPlain = true;
    else if (word.startsWith("-") && word !== "-" && !this.#isPlain) this.#flag = this.#valueless(word);
    else if (this.#command !== null) this.#args++;
    else if (word !== "help" || this.#depth > 0) this.#enter(word);
  }

  choices(current: string): readonly CompletionCandidate[] | "files" | "folders" {
    if (this.#flag !== undefined) return values(this.#flag);
    const equals = /^(--[^=]+)=/.exec(current);
    if (equals !== null) {
      const [start, name] = equals as unknown as [string, string];
      const flag = this.#named(name);
      return flag === undefined ? [] : values(flag).map(([word, about]) => [start + word, about]);
    }
    if (current.startsWith("-") && !this.#isPlain)
      return this.#flags().map(({ name, help }) => [`--${name}`, help]);
    if (this.#command === null) return this.#words(current);
    const completes = this.#command.args[this.#args]?.completes;
    if (completes === undefined) return [];
    return typeof completes === "string" ? completes : completes.map((word) => [word, ""]);
  }

  #enter(word: string): void {
    this.#candidates = this.#candidates.filter(({ words }) => words[this.#depth]?.includes(word));
    this.#depth++;
    this.#command = this.#candidates.find(({ words }) => words.length === this.#depth) ?? null;
  }

  /** Commands go by their first names, unless what is typed begins another one alone. */
  #words(current: string): CompletionCandidate[] {
    const found = new Map<string, string>();
    for (const { words, summary } of this.#candidates) {
      const names = words[this.#depth] ?? [];
      const name = [names[0], ...names].find((one) => one?.startsWith(current));
      if (name === undefined) continue;
      const isGroup = words.length > this.#depth + 1;
      found.set(name, isGroup ? `${name} a object` : summary);
    }
    return [...found];
  }

  /** The flag that a word names, when its value is still to come. */
  #valueless(word: string): Flag | undefined {
    const flag = word.includes("=") ? undefined : this.#named(word);
    return flag?.type === "bool" ? undefined : flag;
  }

  #named(word: string): Flag | undefined {
    return this.#flags().find(({ name, short, aliases }) =>
      word.startsWith("--")
        ? name === word.slice(2) || aliases?.includes(word.slice(2))
        : word === `-${short}`,
    );
  }

  #flags(): readonly Flag[] {
    return [...(this.#command?.flags ?? []), ...GLOBAL_FLAGS, HELP];
  }
}

function values({ type, values: known }: Flag): CompletionCandidate[] {
  return (type === "bool" ? ["true", "false"] : (known ?? [])).map((word) => [word, ""]);
}
