import type { Listing, Page } from "@hearth/sdk";
import type { FlagValue } from "../args/flags.ts";
import { UsageError } from "../errors.ts";
import { ListJson } from "../output/json.ts";
import { Table } from "../output/table.ts";
import type { ResourceObject } from "../output/text.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { checkNewId, fullName, readName } from "./names.ts";
import type { Resource, ResourceCommand, VerbName } from "./resource.ts";
import { waitFor, waitUntilGone } from "./wait.ts";

interface CallOptions {
  signal: AbortSignal;
}

/** The client's methods of a resource. A resource may lack some of them. */
interface Methods {
  get(name: string, params: object, options: CallOptions): Promise<ResourceObject>;
  list(params: object, options: CallOptions): Listing<ResourceObject>;
  create(params: object, options: CallOptions): Promise<ResourceObject>;
  update(name: string, params: object, options: CallOptions): Promise<ResourceObject>;
  delete(name: string, params: object, options: CallOptions): Promise<ResourceObject>;
  undelete(name: string, params: object, options: CallOptions): Promise<ResourceObject>;
  scale(name: string, params: object, options: CallOptions): Promise<ResourceObject>;
}

/** The page size for `--no-paginate`: the largest that the API accepts. */
const ALL_PAGE_SIZE = 200;

/** The default function of each verb, for resources whose verb has no `load`. */
export const DEFAULT_RUNS: Readonly<Record<VerbName, Run>> = {
  get: async (context) => context.out.resource(await getObject(context, targetName(context))),
  list,
  create: async (context) => context.out.resource(await createObject(context, await requestFields(context))),
  update,
  async delete(context) {
    const name = targetName(context);
    const params = await requestFields(context);
    await (await methodsOf(context)).delete(name, params, optionsOf(context));
    if (context.flags.get("wait") === true)
      await waitUntilGone(context, resourceOf(context), name, () => getObject(context, name));
    await context.out.done(`Deleted ${resourceOf(context).title} ${name}.`);
  },
  async undelete(context) {
    const name = targetName(context);
    const created = await (await methodsOf(context)).undelete(name, {}, optionsOf(context));
    await context.out.resource(await settled(context, created));
  },
  async scale(context) {
    const name = targetName(context);
    const fields = await requestFields(context);
    if (Object.keys(fields).length === 0)
      throw new UsageError(
        "firectl scale deployment changes nothing without a flag: --replica-count says how many replicas to run.",
      );
    await (await methodsOf(context)).scale(name, fields, optionsOf(context));
    await context.out.resource(await getObject(context, name));
  },
};

export function resourceOf({ command }: Context): Resource {
  return (command as ResourceCommand).resource;
}

export function optionsOf({ processContext }: Context): CallOptions {
  return { signal: processContext.signal };
}

/** The name of the resource in the first argument. */
export function targetName(context: Context): string {
  const { title, collection, idPattern } = resourceOf(context);
  return readName(title, collection, context.args[0] as string, idPattern);
}

/** The request fields that the flags set. */
export async function requestFields(context: Context): Promise<Record<string, unknown>> {
  checkIds(context);
  const fields: Record<string, unknown> = {};
  for (const { name, field, names } of context.command.flags) {
    const value = context.flags.get(name);
    if (value === undefined || field === undefined) continue;
    const isName = names !== undefined && value !== "";
    setField(fields, field, isName ? await fullName(context, names, value as string) : value);
  }
  return fields;
}

/** Checks all names and ids before the first request. @throws UsageError */
function checkIds(context: Context): void {
  const { newId, title } = (context.command as Partial<ResourceCommand>).resource ?? {};
  for (const { name, field, names } of context.command.flags) {
    const value = context.text(name);
    if (value === undefined || value === "") continue;
    if (names !== undefined) readName(names.slice(0, -1), names, value);
    if (field !== undefined && field === newId) checkNewId(title ?? "resource", value);
  }
}

export function setField(target: Record<string, unknown>, path: string, value: FlagValue): void {
  const keys = path.split(".");
  const last = keys.pop() as string;
  let inner = target;
  for (const key of keys) {
    inner[key] ??= {};
    inner = inner[key] as Record<string, unknown>;
  }
  inner[last] = value;
}

/** Creates a resource, and waits for it with `--wait`. `fields` may contain the new id. */
export async function createObject(
  context: Context,
  fields: Record<string, unknown>,
): Promise<ResourceObject> {
  const { newId = "", envelope } = resourceOf(context);
  const { [newId]: id = undefined, ...object } = fields;
  const params = {
    ...(envelope === undefined ? object : { [envelope]: object }),
    ...(id !== undefined && { [newId]: id }),
  };
  const created = await (await methodsOf(context)).create(params, optionsOf(context));
  return settled(context, created);
}

/** With `--wait`, waits for a final state and returns the resource in it; otherwise returns `object`. */
export async function settled(context: Context, object: ResourceObject): Promise<ResourceObject> {
  if (context.flags.get("wait") !== true) return object;
  const name = String(object["name"]);
  return waitFor(context, resourceOf(context), name, () => getObject(context, name));
}

async function getObject(context: Context, name: string): Promise<ResourceObject> {
  return (await methodsOf(context)).get(name, {}, optionsOf(context));
}

/** @throws UsageError when no flag sets a field */
export function requireFields<Fields extends object>(context: Context, fields: Fields): Fields {
  if (Object.keys(fields).length > 0) return fields;
  const flags = context.command.flags
    .filter(({ field }) => field !== undefined)
    .map((flag) => `--${flag.name}`);
  throw new UsageError("The command changes nothing.", `Add at least one of ${flags.join(", ")}.`);
}

async function update(context: Context): Promise<void> {
  const name = targetName(context);
  const fields = requireFields(context, await requestFields(context));
  const changed = await (await methodsOf(context)).update(name, fields, optionsOf(context));
  await context.out.resource(await settled(context, changed));
}

async function list(context: Context): Promise<void> {
  await printList(context, (await methodsOf(context)).list(listParams(context), optionsOf(context)));
}

export function listParams(context: Context): Record<string, unknown> {
  const names = {
    filter: "filter",
    "order-by": "orderBy",
    "page-size": "pageSize",
    "page-token": "pageToken",
  };
  const fields = Object.entries(names).map(([flag, name]) => [name, context.flags.get(flag)] as const);
  const resourceFields = context.command.flags.flatMap(({ name, field }) =>
    field === undefined ? [] : [[field, context.flags.get(name)] as const],
  );
  const pageSize = context.flags.get("page-size");
  if (typeof pageSize === "number" && pageSize < 1) throw new UsageError("--page-size must be at least 1.");
  const all = context.flags.get("no-paginate") === true ? { pageSize: ALL_PAGE_SIZE } : {};
  return {
    ...all,
    ...Object.fromEntries([...fields, ...resourceFields].filter(([, value]) => value !== undefined)),
  };
}

/** Prints one page, or all pages with `--no-paginate`. Holds one page at a time. */
export async function printList(context: Context, listing: Listing<ResourceObject>): Promise<void> {
  const { out } = context;
  const { columns, collection } = resourceOf(context);
  const isText = out.format === "text";
  const writer = isText ? new Table(columns) : new ListJson(collection);
  let count = 0;
  let last = { nextPageToken: "", totalSize: null as number | null };
  for await (const page of listing.pages()) {
    count += page.items.length;
    last = page;
    if (page.items.length > 0) await out.raw(writer.page(page.items));
    if (context.flags.get("no-paginate") !== true) break;
  }
  const { nextPageToken, totalSize } = last;
  if (writer instanceof ListJson)
    await out.raw(writer.end({ nextPageToken, ...(totalSize !== null && { totalSize }) }));
  else if (count === 0) await out.notice(`No ${resourceOf(context).words[1]?.replaceAll("-", " ")}.`);
  if (isText) await noteNextPage(context, last, count);
}

export async function noteNextPage(
  { out }: Context,
  { nextPageToken, totalSize }: Pick<Page<unknown>, "nextPageToken" | "totalSize">,
  count: number,
): Promise<void> {
  if (nextPageToken === "") return;
  const all = totalSize === null ? "There are more" : `${count} of ${totalSize}`;
  await out.notice(`${all}. Next page: --page-token ${nextPageToken}. All: --no-paginate.`);
}

async function methodsOf(context: Context): Promise<Methods> {
  const client = await context.client();
  return client[resourceOf(context).collection] as unknown as Methods;
}
