import type { IncomingHttpHeaders } from "node:http";

const HOST = /^[A-Za-z0-9.:[\]_-]{1,260}$/;

/** `http://host:port` as the client wrote it: URLs that are given to it begin so. Empty when it wrote none. */
export function originOf({ host, "x-forwarded-proto": scheme }: IncomingHttpHeaders): string {
  if (host === undefined || !HOST.test(host)) return "";
  return `${scheme === "https" ? "https" : "http"}://${host}`;
}
