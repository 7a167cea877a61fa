import type { Fireworks } from "@hearth/sdk";
import type { FlagValues } from "../args/flags.ts";
import { readSettings, type Settings } from "../config/settings.ts";
import { CliError, UsageError } from "../errors.ts";
import { type Format, Output } from "../output/output.ts";
import type { ProcessContext } from "../process-context.ts";
import type { CommandSpec } from "./command-spec.ts";

/** A running command: its parsed command line, its output, its settings and its client. */
export class Context {
  readonly processContext: ProcessContext;
  readonly command: CommandSpec;
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly out: Output;
  #settings: Promise<Settings> | undefined;
  #client: Promise<Fireworks> | undefined;

  constructor(
    processContext: ProcessContext,
    command: CommandSpec,
    args: readonly string[],
    flags: FlagValues,
  ) {
    this.processContext = processContext;
    this.command = command;
    this.args = args;
    this.flags = flags;
    const format = (flags.get("output") as Format | undefined) ?? "text";
    this.out = new Output(processContext, format, this.isQuiet);
  }

  get isDryRun(): boolean {
    return this.flags.get("dry-run") === true;
  }

  get isQuiet(): boolean {
    return this.flags.get("quiet") === true;
  }

  /** The value of a flag of type `string`; undefined when the flag is absent. */
  text(flag: string): string | undefined {
    return this.flags.get(flag) as string | undefined;
  }

  settings(): Promise<Settings> {
    this.#settings ??= readSettings(this.processContext, this.flags);
    return this.#settings;
  }

  /** @throws CliError when there is no API key */
  client(): Promise<Fireworks> {
    this.#client ??= this.#open();
    return this.#client;
  }

  /** The id of the account to work in. Asks the host when no flag, variable or profile names one. */
  async account(): Promise<string> {
    const { accountId } = await this.settings();
    return accountId?.value ?? (await (await this.client()).accountId());
  }

  /** The values of flags that must not be printed. */
  #secrets(): ReadonlySet<unknown> {
    const secretFlags = this.command.flags.filter(({ isSecret }) => isSecret === true);
    return new Set<unknown>(secretFlags.flatMap(({ name }) => this.flags.get(name) ?? []));
  }

  async #open(): Promise<Fireworks> {
    const settings = await this.settings();
    const { openClient, openDryRun } = await import("../client.ts");
    if (this.isDryRun) {
      if (settings.accountId !== null)
        return openDryRun(settings, this.#secrets(), (text) => this.out.raw(text));
      throw new UsageError(
        "--dry-run sends no requests, so it can't ask the host which account the key belongs to.",
        "Add --account.",
      );
    }
    if (settings.apiKey !== null) return openClient(this.processContext, settings, settings.apiKey.value);
    throw new CliError(
      `There is no API key for ${settings.host.value}.`,
      'Run "firectl signin", set FIREWORKS_API_KEY, or add --api-key.',
    );
  }
}
