import type { IncomingMessage, ServerResponse } from "node:http";

/** The origins whose web pages may call the API; `*`: all. */
export type CorsOrigins = "*" | ReadonlySet<string>;

const METHODS = "GET, POST, PUT, PATCH, DELETE";
/** The header names of a preflight, which are echoed. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/;
/** How long a browser may remember the answer to a preflight. Browsers cut it to two hours at most. */
const MAX_AGE_S = 7_200;

/**
 * Lets web pages of the origins read the response. A preflight, which browsers send without the key, is answered here.
 * Requests of other origins are served as ever, and the browser keeps the response from the page.
 * @returns true when the request was a preflight, whose response is sent.
 */
export function applyCors(origins: CorsOrigins, req: IncomingMessage, res: ServerResponse): boolean {
  // Caches must not give one origin's response to another.
  if (origins !== "*") res.setHeader("vary", "origin");
  const { origin } = req.headers;
  if (origin === undefined || !(origins === "*" || origins.has(origin))) return false;
  res.setHeader("access-control-allow-origin", origins === "*" ? "*" : origin);
  // The wildcard holds because no request carries cookies: keys are sent in a header.
  res.setHeader("access-control-expose-headers", "*");
  const isPreflight = req.method === "OPTIONS" && req.headers["access-control-request-method"] !== undefined;
  if (!isPreflight) return false;
  const names = req.headers["access-control-request-headers"];
  res.setHeader("access-control-allow-methods", METHODS);
  if (names !== undefined && HEADER_NAMES.test(names)) res.setHeader("access-control-allow-headers", names);
  res.setHeader("access-control-max-age", String(MAX_AGE_S));
  res.writeHead(204);
  res.end();
  return true;
}
