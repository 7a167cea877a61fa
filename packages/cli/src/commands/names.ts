import { NotFoundError } from "@hearth/sdk";
import { type Collection, quoted } from "../args/flags.ts";
import { CliError, UsageError } from "../errors.ts";
import type { Context } from "./context.ts";

/** The account that owns the library of models. */
const LIBRARY = "fireworks";
const ACCOUNT_ID = /^[A-Za-z0-9_][\w.~-]{0,126}$/;
/** Ids of existing resources: hosts generate ids with capitals or a leading digit. */
const ID = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const NEW_ID = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

const NEW_RULE = 'it has 1 to 63 characters a-z, 0-9 and "-", begins with a letter and doesn\'t end with "-"';
const RULE = '1 to 63 letters, digits and "-", not "-" at either end';

/** @throws UsageError unless a new resource may have this id */
export function checkNewId(what: string, id: string): string {
  if (NEW_ID.test(id)) return id;
  throw new UsageError(`${quoted(id)} can't be the id of a new ${what}: ${NEW_RULE}.`);
}

/**
 * Parses a resource's name: `accounts/team/models/mine` or `team/mine`, which become the full name, or the id `mine`.
 * @param pattern the pattern of the resource's ids
 * @throws UsageError for a malformed name
 */
export function readName(what: string, collection: string, text: string, pattern: RegExp = ID): string {
  const [, account, inner, id] = /^(?:accounts\/)?([^/]+)\/(?:([A-Za-z]+)\/)?([^/]+)$/.exec(text) ?? [
    undefined,
    undefined,
    undefined,
    text,
  ];
  const isFull = text.startsWith("accounts/");
  const isWellFormed = account === undefined || (isFull ? inner === collection : inner === undefined);
  if (!isWellFormed || (account !== undefined && !ACCOUNT_ID.test(account))) {
    throw new UsageError(
      `${quoted(text)} is no name of a ${what}.`,
      `A name is like my-${what} or accounts/my-team/${collection}/my-${what}.`,
    );
  }
  if (!pattern.test(id as string)) {
    throw new UsageError(
      `${quoted(id as string)} can't be the id of a ${what}${pattern === ID ? `: ${RULE}` : ""}.`,
    );
  }
  return account === undefined ? text : `accounts/${account}/${collection}/${id}`;
}

/** The full name of a resource for a request. The id of a model is looked up in the account, then in the library. */
export async function fullName(context: Context, collection: Collection, text: string): Promise<string> {
  const what = collection.slice(0, -1);
  const name = readName(what, collection, text);
  if (name.startsWith("accounts/")) return name;
  const account = await context.account();
  const own = `accounts/${account}/${collection}/${name}`;
  if (collection !== "models") return own;
  if (context.isDryRun) {
    await context.out.notice(
      `${name}: the request names ${own}; without --dry-run, firectl also looks in the library.`,
    );
    return own;
  }
  for (const full of [own, `accounts/${LIBRARY}/models/${name}`])
    if (await exists(context, full)) return full;
  throw new CliError(
    `Neither accounts/${account} nor the library has a model ${name}.`,
    'Run "firectl list models" or "firectl list models -a fireworks".',
  );
}

async function exists(context: Context, model: string): Promise<boolean> {
  const client = await context.client();
  try {
    await client.models.get(model, { readMask: "name" }, { signal: context.processContext.signal });
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}
