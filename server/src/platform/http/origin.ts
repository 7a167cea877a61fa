import type { IncomingHttpHeaders } from "node:http";

const HOST = /^[A-Za-z0-9.:[\]_-]{1,260}$/;

/**
 * `http://host:port` by which the client reached the server, to build URLs that the client can reach. Empty when the
 * request has no valid host header.
 */
export function originOf({ host, "x-forwarded-proto": scheme }: IncomingHttpHeaders): string {
  if (host === undefined || !HOST.test(host)) return "";
  return `${scheme === "https" ? "https" : "http"}://${host}`;
}
