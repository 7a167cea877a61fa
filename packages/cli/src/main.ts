import { checkArgs, type ParsedLine, parseLine } from "./args/parse.ts";
import type { Command } from "./commands/command.ts";
import { GLOBAL_FLAGS } from "./commands/global-flags.ts";
import { COMMANDS } from "./commands/table.ts";
import type { Settings } from "./config/settings.ts";
import { EXIT, Interrupted, UsageError } from "./errors.ts";
import type { ProcessContext } from "./process-context.ts";

/** A hidden command that the shell completion scripts call. */
const COMPLETE = "__complete";

/** Runs a command line and resolves with the exit code. Rejects only when standard error can't be written. */
export async function run(argv: readonly string[], processContext: ProcessContext): Promise<number> {
  let settings: Settings | null = null;
  let command: Command | null = null;
  try {
    if (argv[0] === COMPLETE) {
      const { completions } = await import("./commands/completion-candidates.ts");
      await processContext.stdout.write(completions(argv.slice(1)));
      return EXIT.ok;
    }
    const line = parseLine(argv[0] === "--version" ? ["version"] : argv, COMMANDS, GLOBAL_FLAGS);
    if (line.wantsHelp || line.words.length === 0) {
      await processContext.stdout.write(await helpFor(line));
      return EXIT.ok;
    }
    command = line.command;
    if (command === null) throw incomplete(line);
    checkArgs(command, line.args);
    checkFlags(command, line);
    const { Context } = await import("./commands/context.ts");
    const context = new Context(processContext, command, line.args, line.flags);
    try {
      await (await command.load())(context);
    } catch (error) {
      settings = await context.settings().catch(() => null);
      throw error;
    }
    return EXIT.ok;
  } catch (error) {
    return await reportError(processContext, error, settings, command);
  }
}

async function helpFor({ command, words }: ParsedLine): Promise<string> {
  const { programHelp, groupHelp, commandHelp } = await import("./help.ts");
  if (command !== null) return commandHelp(command);
  return words.length === 0 ? programHelp(COMMANDS) : groupHelp(words, COMMANDS);
}

function incomplete({ words }: ParsedLine): UsageError {
  const line = ["firectl", ...words].join(" ");
  const matching = COMMANDS.filter((command) => command.words[0]?.includes(words[0] as string));
  const names = matching.map((command) => command.words[1]?.[0]).join(", ");
  return new UsageError(`${line} needs a resource: ${names}.`, `Run "${line} --help".`);
}

function checkFlags({ words, isLocal }: Command, { flags }: ParsedLine): void {
  if (isLocal === true && flags.has("dry-run")) {
    throw new UsageError(`firectl ${words[0]?.[0]} sends no request that --dry-run could show.`);
  }
}

/** Prints the error and the next step on standard error, and returns the exit code. */
async function reportError(
  processContext: ProcessContext,
  error: unknown,
  settings: Settings | null,
  command: Command | null,
): Promise<number> {
  const { explainError } = await import("./explain-error.ts");
  const { DryRunEnd } = await import("./client.ts");
  if (error instanceof DryRunEnd) return EXIT.ok;
  // The reader has closed the pipe: `firectl list models | head`.
  if ((error as NodeJS.ErrnoException | null)?.code === "EPIPE") return EXIT.ok;
  const cause = processContext.signal.aborted && !(error instanceof Interrupted) ? new Interrupted() : error;
  const { message, next, exitCode } = explainError(cause, settings, command);
  const { printable } = await import("./output/text.ts");
  const lines = [
    exitCode === EXIT.interrupted ? message : `Error: ${message}`,
    ...(next === undefined ? [] : [next]),
  ];
  await processContext.stderr.write(
    lines
      .flatMap((line) => line.split("\n"))
      .map((line) => `${printable(line)}\n`)
      .join(""),
  );
  return exitCode;
}
