import type { Command } from "../commands/command.ts";
import { UsageError } from "../errors.ts";
import { type Flag, type FlagValue, type FlagValues, quoted, readFlag } from "./flags.ts";
import { didYouMean } from "./suggest.ts";

export interface ParsedLine {
  /** Null when the words are only the beginning of commands, or there are none. */
  readonly command: Command | null;
  /** The recognised words: `["create"]`. */
  readonly words: readonly string[];
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly wantsHelp: boolean;
}

const HELP: Flag = { name: "help", short: "h", type: "bool", help: "" };

/**
 * Parses a command line as Go's pflag does: flags anywhere, `--flag value`, `--flag=value`, `-o json`, `-ojson`, and `--`
 * before arguments that only look like flags. A boolean takes a value only after `=`.
 * @throws UsageError with a suggestion
 */
export function parseLine(
  argv: readonly string[],
  commands: readonly Command[],
  global: readonly Flag[],
): ParsedLine {
  const reader = new LineReader(commands, [...global, HELP]);
  for (let i = 0; i < argv.length; ) i += reader.take(argv, i);
  return reader.result();
}

class LineReader {
  readonly #global: readonly Flag[];
  #candidates: readonly Command[];
  #words: string[] = [];
  #command: Command | null = null;
  readonly #args: string[] = [];
  readonly #flags = new Map<string, FlagValue>();
  #flagsEnded = false;
  #wantsHelp = false;

  constructor(commands: readonly Command[], global: readonly Flag[]) {
    this.#candidates = commands;
    this.#global = global;
  }

  /** Consumes one argument, or a flag and its value. Returns the number of consumed arguments. */
  take(argv: readonly string[], at: number): number {
    const text = argv[at] as string;
    if (this.#flagsEnded || text === "-" || !text.startsWith("-")) {
      this.#takeWord(text);
      return 1;
    }
    if (text === "--") {
      this.#flagsEnded = true;
      return 1;
    }
    const { flag, value } = this.#split(text);
    const needsNext = value === undefined && flag.type !== "bool";
    if (needsNext && at + 1 >= argv.length) throw new UsageError(`--${flag.name} needs a value.`);
    const read = readFlag(flag, needsNext ? argv[at + 1] : value, this.#flags.get(flag.name));
    if (flag === HELP) this.#wantsHelp = read === true;
    else this.#flags.set(flag.name, read);
    return needsNext ? 2 : 1;
  }

  result(): ParsedLine {
    return {
      command: this.#command,
      words: this.#words,
      args: this.#args,
      flags: this.#flags,
      wantsHelp: this.#wantsHelp,
    };
  }

  #takeWord(word: string): void {
    if (this.#command !== null) {
      this.#args.push(word);
      return;
    }
    if (word === "help" && this.#words.length === 0 && !this.#wantsHelp) {
      this.#wantsHelp = true;
      return;
    }
    const depth = this.#words.length;
    const matching = this.#candidates.filter(({ words }) => words[depth]?.includes(word));
    if (matching.length === 0) throw this.#unknownWord(word);
    this.#candidates = matching;
    this.#words = [...this.#words, matching[0]?.words[depth]?.[0] as string];
    this.#command = matching.find(({ words }) => words.length === depth + 1) ?? null;
  }

  #unknownWord(word: string): UsageError {
    const depth = this.#words.length;
    const known = this.#candidates.flatMap(({ words }) => words[depth] ?? []);
    const before = ["firectl", ...this.#words].join(" ");
    const what = depth === 0 ? `There is no command ${quoted(word)}` : `${before} has no ${quoted(word)}`;
    return new UsageError(
      `${what}.${didYouMean(word, known, `${before} `)}`,
      `Run "${before} --help" for a list.`,
    );
  }

  #split(text: string): { flag: Flag; value: string | undefined } {
    if (!text.startsWith("--")) {
      const flag = this.#availableFlags().find(({ short }) => short === text[1]);
      if (flag === undefined) throw this.#unknownFlag(text.slice(0, 2));
      const value = text.slice(2).replace(/^=/, "");
      return { flag, value: text.length === 2 ? undefined : value };
    }
    const equals = text.indexOf("=");
    const name = text.slice(2, equals === -1 ? undefined : equals);
    const flag = this.#availableFlags().find(
      (candidate) => candidate.name === name || candidate.aliases?.includes(name),
    );
    if (flag === undefined) throw this.#unknownFlag(`--${name}`);
    return { flag, value: equals === -1 ? undefined : text.slice(equals + 1) };
  }

  #availableFlags(): readonly Flag[] {
    return this.#command === null ? this.#global : [...this.#command.flags, ...this.#global];
  }

  #unknownFlag(text: string): UsageError {
    const line = ["firectl", ...this.#words].join(" ");
    const names = this.#availableFlags().map(({ name }) => name);
    const where =
      this.#command === null && this.#words.length > 0 ? ` in this place: name the whole command first` : "";
    return new UsageError(
      `${line} has no flag ${quoted(text)}${where}.${didYouMean(text.replace(/^-+/, ""), names, "--")}`,
      `Run "${line} --help" for all flags.`,
    );
  }
}

/** @throws UsageError for too few or too many arguments */
export function checkArgs({ words, args }: Command, values: readonly string[]): void {
  const line = ["firectl", ...words.map(([word]) => word)].join(" ");
  const missing = args.find(({ isOptional }, i) => isOptional !== true && values[i] === undefined);
  if (missing !== undefined) {
    throw new UsageError(`${line} needs <${missing.name}>.`, `Run "${line} --help" for examples.`);
  }
  const extra = values[args.length];
  if (extra !== undefined) {
    throw new UsageError(`${line} doesn't take ${quoted(extra)}.`, `Run "${line} --help" for examples.`);
  }
  const empty = args.find((_, i) => values[i] === "");
  if (empty !== undefined) throw new UsageError(`<${empty.name}> is empty.`);
}
