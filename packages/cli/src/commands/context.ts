import type { Fireworks } from "@hearth/sdk";
import type { FlagValues } from "../args/flags.ts";
import { readSettings, type Settings } from "../config/settings.ts";
import { CliError, UsageError } from "../errors.ts";
import { type Format, Output } from "../output/output.ts";
import type { World } from "../world.ts";
import type { Command } from "./command.ts";

/** What a running command has. */
export class Context {
  readonly world: World;
  readonly command: Command;
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly out: Output;
  #settings: Promise<Settings> | undefined;
  #client: Promise<Fireworks> | undefined;

  constructor(world: World, command: Command, args: readonly string[], flags: FlagValues) {
    this.world = world;
    this.command = command;
    this.args = args;
    this.flags = flags;
    const format = (flags.get("output") as Format | undefined) ?? "text";
    this.out = new Output(world, format, this.isQuiet);
  }

  get isDryRun(): boolean {
    return this.flags.get("dry-run") === true;
  }

  get isQuiet(): boolean {
    return this.flags.get("quiet") === true;
  }

  /** The value of a flag of type string. */
  text(flag: string): string | undefined {
    return this.flags.get(flag) as string | undefined;
  }

  settings(): Promise<Settings> {
    this.#settings ??= readSettings(this.world, this.flags);
    return this.#settings;
  }

  /** @throws CliError when there is no key */
  client(): Promise<Fireworks> {
    this.#client ??= this.#open();
    return this.#client;
  }

  /** The id of the account to work in. Asks the host when nothing else says it. */
  async account(): Promise<string> {
    const { accountId } = await this.settings();
    return accountId?.value ?? (await (await this.client()).accountId());
  }

  async #open(): Promise<Fireworks> {
    const settings = await this.settings();
    const { openClient, openDryRun } = await import("../client.ts");
    if (this.isDryRun) {
      if (settings.accountId !== null) return openDryRun(this, settings);
      throw new UsageError("--dry-run sends nothing, so it can't ask whose key this is.", "Add --account.");
    }
    if (settings.apiKey !== null) return openClient(this.world, settings, settings.apiKey.value);
    throw new CliError(
      `There is no API key for ${settings.host.value}.`,
      'Run "firectl signin", set FIREWORKS_API_KEY, or add --api-key.',
    );
  }
}
