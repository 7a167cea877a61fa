import { OPERATIONS, type OperationTypes } from "../generated/operations.ts";
import { ConflictError, InputError, NotFoundError } from "./errors.ts";
import { Listing, type Page } from "./listing.ts";
import { checkNewId, greedyPath, resourcePath } from "./names.ts";
import { accountOf } from "./settings.ts";
import { EventStream, type LastEvent } from "./stream.ts";
import type { ApiResponse, CallOptions, HttpRequest, Transport } from "./transport.ts";

export type OperationId = keyof OperationTypes;

/** How an operation is called. Generated from the contract. */
export interface Operation {
  method: string;
  path: string;
  /** Names of the parameters that go into the query; all others go into the body. */
  query?: readonly string[];
  body?: "json" | "form";
  /** For a list operation: the field of a page that holds the items. */
  items?: string;
  /** For a create operation: the parameter that holds the new resource's id. */
  newId?: string;
  /** Whether sending this POST twice has the same effect as sending it once. */
  repeatable?: boolean;
  /** Whether the path parameter may contain slashes. */
  greedy?: boolean;
  accept?: string;
}

/** Options of calls whose path contains an account. */
export interface ResourceCallOptions extends CallOptions {
  /** The account of short names in this call. Default: the client's. */
  accountId?: string | undefined;
}

type Params = Readonly<Record<string, unknown>>;

interface Call {
  operation: Operation;
  name: string | undefined;
  params: Params;
  options: ResourceCallOptions;
}

/** Calls operations of the contract by their ids. */
export class OperationClient {
  readonly transport: Transport;
  readonly #account: () => Promise<string>;

  constructor(transport: Transport, account: () => Promise<string>) {
    this.transport = transport;
    this.#account = account;
  }

  /** @throws errors of `Transport.send`; InputError for a malformed name or id */
  async call(
    id: OperationId,
    name: string | undefined,
    params: Params,
    options: ResourceCallOptions = {},
  ): Promise<unknown> {
    const operation: Operation = OPERATIONS[id];
    const call: Call = { operation, name, params, options };
    const request = await this.#request(call);
    let isOutcomeUncertain = false;
    request.onUncertainOutcome = () => {
      isOutcomeUncertain = true;
    };
    try {
      return this.#decoded(operation, await this.transport.send(request));
    } catch (error) {
      if (!isOutcomeUncertain) throw error;
      return await this.#confirm(call, error);
    }
  }

  list(
    id: OperationId,
    name: string | undefined,
    params: Params,
    options: ResourceCallOptions = {},
  ): Listing<unknown> {
    const { items = "" } = OPERATIONS[id] as Operation;
    const { pageToken, ...others } = params;
    const fetch = async (token: string | undefined): Promise<Page<unknown>> => {
      const page = (await this.call(id, name, { ...others, pageToken: token }, options)) as Params;
      return {
        items: (page[items] as unknown[] | undefined) ?? [],
        nextPageToken: (page["nextPageToken"] as string | undefined) ?? "",
        totalSize: (page["totalSize"] as number | undefined) ?? null,
      };
    };
    return new Listing(fetch, pageToken as string | undefined);
  }

  async stream<Event>(
    id: OperationId,
    params: Params,
    lastEvent: LastEvent,
    options: CallOptions = {},
  ): Promise<EventStream<Event>> {
    const operation: Operation = OPERATIONS[id];
    const request = await this.#request({
      operation,
      name: undefined,
      params: { ...params, stream: true },
      options,
    });
    request.accept = "text/event-stream";
    return new EventStream<Event>(await this.transport.open(request), this.transport, lastEvent);
  }

  async #request({ operation, name, params, options }: Call): Promise<HttpRequest> {
    const { method, newId, body, query = [] } = operation;
    if (newId !== undefined && params[newId] !== undefined) checkNewId(newId, String(params[newId]));
    const fields = Object.entries(params).filter(
      ([key, value]) => value !== undefined && !query.includes(key),
    );
    if (body === undefined && fields.length > 0)
      throw new InputError(fields[0]?.[0] ?? "", `This operation has no parameter ${fields[0]?.[0]}.`);
    const isRepeatable =
      method !== "POST" || operation.repeatable === true || canConfirmById(operation, params);
    return {
      method,
      path: (await this.#path(operation, name, options)) + queryText(params, query),
      body: body === undefined ? undefined : body === "form" ? form(fields) : Object.fromEntries(fields),
      accept: operation.accept,
      repeatable: isRepeatable ? "always" : "unprocessed",
      options,
    };
  }

  async #path(
    { path, greedy }: Operation,
    name: string | undefined,
    { accountId }: ResourceCallOptions,
  ): Promise<string> {
    if (greedy) return greedyPath(path, name ?? "");
    return resourcePath(path, name, async () => accountOf(accountId) ?? this.#account());
  }

  /**
   * Handles a failed retry after an attempt whose outcome is unknown, as that attempt may have succeeded. A DELETE that finds
   * nothing counts as done. A create that conflicts counts as done when the existing resource has all requested fields.
   * @throws the error of the retry in all other cases
   */
  async #confirm({ operation, name, params, options }: Call, error: unknown): Promise<unknown> {
    if (operation.method === "DELETE" && error instanceof NotFoundError) return {};
    if (!canConfirmById(operation, params) || !(error instanceof ConflictError)) throw error;
    const path = `${await this.#path(operation, name, options)}/${params[operation.newId as string]}`;
    const response = await this.transport.send({ method: "GET", path, repeatable: "always", options });
    const existing = this.#decoded(operation, response);
    if (containsFields(existing, requestedFields(operation, params))) return existing;
    throw error;
  }

  #decoded(
    { accept }: Operation,
    { bytes, contentType }: Pick<ApiResponse, "bytes" | "contentType">,
  ): unknown {
    if (accept !== undefined && !contentType.includes("json")) {
      return contentType.startsWith("text/plain")
        ? new TextDecoder().decode(bytes)
        : new Blob([bytes as Uint8Array<ArrayBuffer>], { type: contentType });
    }
    return this.transport.decode({ bytes, contentType });
  }
}

/** Whether reading the resource of the requested id can tell if a create with unknown outcome succeeded. */
function canConfirmById({ newId, path }: Operation, params: Params): boolean {
  return newId !== undefined && params[newId] !== undefined && !path.endsWith("V2");
}

/** The requested fields of a new resource: the body itself, or the message in it. */
function requestedFields({ query = [], newId = "" }: Operation, params: Params): Params {
  const fields = Object.entries(params).filter(([key, value]) => value !== undefined && !query.includes(key));
  if (query.includes(newId)) return Object.fromEntries(fields);
  const message = params[newId.replace(/Id$/, "")];
  return typeof message === "object" && message !== null ? (message as Params) : {};
}

/** Whether `actual` has all expected fields. A field that `actual` lacks, such as a secret, counts as equal. */
export function containsFields(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return actual === expected;
  return Object.entries(expected).every(([key, value]) => {
    const found = (actual as Record<string, unknown> | null)?.[key];
    return value === undefined || found === undefined || containsFields(found, value);
  });
}

/** The query of the named parameters, with its `?`; empty if all are undefined. */
export function queryText(params: Params, names: readonly string[]): string {
  const query = new URLSearchParams();
  for (const name of names) {
    const value = params[name];
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== undefined) query.append(name, String(item));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function form(fields: readonly (readonly [string, unknown])[]): FormData {
  const data = new FormData();
  for (const [name, value] of fields) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one instanceof Blob) data.append(name, one);
      else if (one !== null) data.append(name, typeof one === "object" ? JSON.stringify(one) : String(one));
    }
  }
  return data;
}
