/** A prefix of the API that a client adds to a base URL which has one already. */
const REPEATED_PREFIX = /^(?:\/(?:inference\/)?v1){2,}(?=\/|$)/;
/** Paths that exist under `/v1` alone. */
const CONTROL_PLANE = /^\/(?:accounts|validateModelConfig)(?![^/:])/;

/**
 * The path that a client meant whose base URL ends in a slash or has more or less of the API's prefix than the client
 * expects: `/v1/v1/models/` → `/v1/models`. A path below `/blobs/` stays as it is, because its bytes are signed.
 * @param path without a query
 */
export function canonicalPath(path: string): string {
  if (path.startsWith("/blobs/")) return path;
  const joined = path.replace(/\/{2,}/g, "/").replace(/(?!^)\/$/, "");
  const prefix = REPEATED_PREFIX.exec(joined)?.[0];
  if (prefix === undefined) return joined;
  const rest = joined.slice(prefix.length);
  const isData = prefix.includes("/inference/") && !CONTROL_PLANE.test(rest);
  return `${isData ? "/inference/v1" : "/v1"}${rest}`;
}
