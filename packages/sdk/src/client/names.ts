import { InputError } from "./errors.ts";

/** `[collection, parameter]` of a path such as `/v1/accounts/{account_id}/models/{model_id}:prepare`. */
type PathPart = readonly [collection: string, parameter: string];

/** A collection that full names may contain and that paths leave out. */
const OMITTED_COLLECTION = "clusters";

/**
 * The path of an operation.
 * @param name a full name such as `accounts/team/models/mine`, or the part after the account's collection: `mine`,
 * `mine/versions/2`; undefined for a path that contains only the account
 * @throws InputError for a name that doesn't fit the path
 */
export async function resourcePath(
  template: string,
  name: string | undefined,
  account: () => Promise<string>,
): Promise<string> {
  const parts = [...template.matchAll(/([A-Za-z_]\w*)\/\{(\w+)\}/g)].map(
    ([, a, b]) => [a, b] as unknown as PathPart,
  );
  const ids = name === undefined ? new Map<string, string>() : readName(parts, name);
  if (template.includes("{account_id}") && !ids.has("account_id")) ids.set("account_id", await account());
  return template.replaceAll(/\{(\w+)\}/g, (_, parameter: string) =>
    encodeURIComponent(ids.get(parameter) ?? ""),
  );
}

/** A path whose parameter keeps the slashes of the name. */
export function greedyPath(template: string, name: string): string {
  const segments = name.split("/");
  for (const segment of segments) checkSegment(segment, name, "a name");
  return template.replace(/\{\w+\}/, segments.map(encodeURIComponent).join("/"));
}

/** @throws InputError unless a new resource may have this id */
export function checkNewId(param: string, id: string): void {
  if (/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(id)) return;
  throw new InputError(
    param,
    `${param} must have 1 to 63 characters a-z, 0-9 and "-", begin with a letter and not end with "-".`,
  );
}

/** The last segment: `accounts/team/models/mine` → `mine`. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function readName(parts: readonly PathPart[], name: string): Map<string, string> {
  const expected = parts.map(([collection]) => `${collection}/{id}`).join("/");
  const segments = name.split("/");
  for (const segment of segments) checkSegment(segment, name, expected);
  const isFull = segments.length > 1 && segments[0] === parts[0]?.[0];
  const relative = parts[0]?.[1] === "account_id" && parts.length > 1 ? parts.slice(1) : parts;
  const pairs = isFull ? segments : [relative[0]?.[0] ?? "", ...segments];
  const ids = new Map<string, string>();
  let left = isFull ? [...parts] : [...relative];
  for (let i = 0; i < pairs.length; i += 2) {
    const [collection, id] = [pairs[i], pairs[i + 1]];
    const part = left[0]?.[0] === collection ? left[0] : undefined;
    if (id !== undefined && part !== undefined) {
      ids.set(part[1], id);
      left = left.slice(1);
    } else if (id === undefined || collection !== OMITTED_COLLECTION) throw wrongName(name, expected);
  }
  if (left.length > 0) throw wrongName(name, expected);
  return ids;
}

function checkSegment(segment: string, name: string, expected: string): void {
  // A segment of dots would lead out of the path. No valid name contains the excluded characters.
  if (!/^[^\p{Cc}\p{Cs}\s/?#%\\]{1,256}$/u.test(segment) || /^\.+$/.test(segment))
    throw wrongName(name, expected);
}

function wrongName(name: string, expected: string): InputError {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
  return new InputError("name", `${shown} is not a name like ${expected}.`);
}
