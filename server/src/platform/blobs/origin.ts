import { AsyncLocalStorage } from "node:async_hooks";

/** `http://host:port` as the client of the request at hand wrote it: URLs that are given to it begin so. */
export const requestOrigin = new AsyncLocalStorage<string>();
