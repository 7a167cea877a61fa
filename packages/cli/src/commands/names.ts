import { NotFoundError } from "@hearth/sdk";
import { type Collection, quoted } from "../args/flags.ts";
import { CliError, UsageError } from "../errors.ts";
import type { Context } from "./context.ts";

/** The account that owns the library of models. */
const LIBRARY = "fireworks";
const ACCOUNT_ID = /^[A-Za-z0-9_][\w.~-]{0,126}$/;
/** What is there already may begin with a digit and have capitals: hosts make up such ids. */
const ID = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const NEW_ID = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

const NEW_RULE = 'it has 1 to 63 characters a-z, 0-9 and "-", begins with a letter and doesn\'t end with "-"';
const RULE = '1 to 63 letters, digits and "-", not "-" at either end';

/** @throws UsageError unless the id may be one of a new object */
export function checkNewId(what: string, id: string): string {
  if (NEW_ID.test(id)) return id;
  throw new UsageError(`${quoted(id)} can't be the id of a new ${what}: ${NEW_RULE}.`);
}

/**
 * The name of a object as the client takes it: `accounts/team/models/mine`, `team/mine` or `mine`; the last one stays.
 * @param pattern what ids of this kind look like
 * @throws UsageError for what can't be a name
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
      `It looks like my-${what} or accounts/my-team/${collection}/my-${what}.`,
    );
  }
  if (!pattern.test(id as string)) {
    throw new UsageError(
      `${quoted(id as string)} can't be the id of a ${what}${pattern === ID ? `: ${RULE}` : ""}.`,
    );
  }
  return account === undefined ? text : `accounts/${account}/${collection}/${id}`;
}

/** The full name of something that a request is to hold. A bare model's id is looked for in the account, then in the library. */
export async function fullName(context: Context, collection: Collection, text: string): Promise<string> {
  const what = collection.slice(0, -1);
  const name = readName(what, collection, text);
  if (name.startsWith("accounts/")) return name;
  const account = await context.account();
  const own = `accounts/${account}/${collection}/${name}`;
  if (collection !== "models") return own;
  if (context.isDryRun) {
    await context.out.notice(`${name}: taken as ${own}; without --dry-run, the library is searched too.`);
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
