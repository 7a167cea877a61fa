import type { Flag } from "../args/flags.ts";
import type { Command } from "./command.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { COMMANDS } from "./table.ts";

/** A word that can follow, and its description. */
export type CompletionCandidate = readonly [word: string, about: string];

const HELP: Flag = { name: "help", short: "h", type: "bool", help: "Help for the command." };

/**
 * The candidates for the last word of a command line, one a line: the word, a tab and its description. The only line is
 * `:files` or `:folders` where a file or folder belongs.
 * @param line the words after `firectl`; the last word may be incomplete or empty
 */
export function completions(line: readonly string[]): string {
  const words = rejoined(line);
  const current = words.pop() ?? "";
  const state = new CompletionState();
  for (const word of words) state.pass(word);
  const candidates = state.candidates(current);
  if (typeof candidates === "string") return `:${candidates}\n`;
  const matching = candidates.filter(([word]) => word.startsWith(current));
  return matching.map(([word, about]) => `${word}\t${about}\n`).join("");
}

/** Bash splits `--output=json` into three words: join them again. */
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

/** The state of a command line after some of its words: the command, its argument count and an open flag. */
class CompletionState {
  #candidates: readonly Command[] = COMMANDS;
  #command: Command | null = null;
  #depth = 0;
  #args = 0;
  #flagsEnded = false;
  /** The flag whose value is the next word. */
  #flag: Flag | undefined;

  pass(word: string): void {
    if (this.#flag !== undefined) this.#flag = undefined;
    else if (word === "--") this.#flagsEnded = true;
    else if (word.startsWith("-") && word !== "-" && !this.#flagsEnded)
      this.#flag = this.#flagAwaitingValue(word);
    else if (this.#command !== null) this.#args++;
    else if (word !== "help" || this.#depth > 0) this.#enter(word);
  }

  candidates(current: string): readonly CompletionCandidate[] | "files" | "folders" {
    if (this.#flag !== undefined) return values(this.#flag);
    const equals = /^(--[^=]+)=/.exec(current);
    if (equals !== null) {
      const [start, name] = equals as unknown as [string, string];
      const flag = this.#findFlag(name);
      return flag === undefined ? [] : values(flag).map(([word, about]) => [start + word, about]);
    }
    if (current.startsWith("-") && !this.#flagsEnded)
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

  /** Offers the first name of each command, or an alias if only that begins with the typed text. */
  #words(current: string): CompletionCandidate[] {
    const found = new Map<string, string>();
    for (const { words, summary } of this.#candidates) {
      const names = words[this.#depth] ?? [];
      const name = [names[0], ...names].find((alias) => alias?.startsWith(current));
      if (name === undefined) continue;
      const isGroup = words.length > this.#depth + 1;
      found.set(name, isGroup ? `${name} a resource` : summary);
    }
    return [...found];
  }

  /** The flag that a word names, if the next word is its value. */
  #flagAwaitingValue(word: string): Flag | undefined {
    const flag = word.includes("=") ? undefined : this.#findFlag(word);
    return flag?.type === "bool" ? undefined : flag;
  }

  #findFlag(word: string): Flag | undefined {
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
