import { createInference, type Inference } from "../inference/inference.ts";
import { createResources, type Resources } from "../resources/resources.ts";
import { InputError } from "./errors.ts";
import { OperationClient } from "./operation-client.ts";
import { type FireworksOptions, readSettings } from "./settings.ts";
import { type CallOptions, type Runtime, Transport } from "./transport.ts";

/** A request for which the client has no method. */
export interface RawRequest {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** Path and query: `/v1/accounts?pageSize=5`. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
}

/** Has a method for each operation of the contract. */
const GeneratedMethods = class {
  constructor(operations: OperationClient) {
    Object.assign(this, createResources(operations), createInference(operations));
  }
} as unknown as new (
  operations: OperationClient,
) => Resources & Inference;

/**
 * A client of one host with one key: every operation of the API is a method.
 * @throws InputError from the constructor for options that can't work
 */
export class Fireworks extends GeneratedMethods {
  readonly #transport: Transport;
  #accountId: Promise<string> | undefined;

  /** @param runtime a fake for tests */
  constructor(options: FireworksOptions = {}, runtime?: Runtime) {
    const settings = readSettings(options);
    const transport = new Transport(settings, runtime);
    super(new OperationClient(transport, () => this.accountId()));
    this.#transport = transport;
    if (settings.accountId !== null) this.#accountId = Promise.resolve(settings.accountId);
  }

  /** The address of the host, without the paths of the API. */
  get baseURL(): string {
    return this.#transport.origin;
  }

  /** The account of short names: the option `accountId`, or the key's account, which is requested once. */
  accountId(): Promise<string> {
    this.#accountId ??= this.#accountOfKey().catch((error: unknown) => {
      this.#accountId = undefined;
      throw error;
    });
    return this.#accountId;
  }

  /** Sends a request and returns the JSON of its response. Retries a POST only when the server has not processed it. */
  async request({ method, path, body }: RawRequest, options?: CallOptions): Promise<unknown> {
    if (!path.startsWith("/")) throw new InputError("path", "path must begin with /.");
    const repeatable = method === "POST" ? "unprocessed" : "always";
    return this.#transport.decode(await this.#transport.send({ method, path, body, repeatable, options }));
  }

  async #accountOfKey(): Promise<string> {
    const response = await this.#transport.send({
      method: "GET",
      path: "/verifyApiKey",
      repeatable: "always",
    });
    const accountId = response.headers.get("x-fireworks-account-id");
    if (accountId !== null) return accountId;
    // A web page instead of JSON is the likelier cause: report it rather than the missing header.
    this.#transport.decode(response);
    throw new InputError(
      "accountId",
      `${this.baseURL} doesn't say which account the key belongs to: pass accountId.`,
    );
  }
}
