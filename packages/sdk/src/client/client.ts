import { createInference, type Inference } from "../inference/inference.ts";
import { createResources, type Resources } from "../resources/resources.ts";
import { InputError } from "./errors.ts";
import { OperationClient } from "./operation-client.ts";
import { type FireworksOptions, readSettings } from "./settings.ts";
import { type CallOptions, type Runtime, Transport } from "./transport.ts";

/** A request beside the client's methods. */
export interface RawRequest {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** With its query: `/v1/accounts?pageSize=5`. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
}

/** Its members come from the contract's operations. */
const Surface = class {
  constructor(caller: OperationClient) {
    Object.assign(this, createResources(caller), createInference(caller));
  }
} as unknown as new (
  caller: OperationClient,
) => Resources & Inference;

/**
 * A client of one host with one key: every operation of the API is a method.
 * @throws InputError from the constructor for options that can't work
 */
export class Fireworks extends Surface {
  readonly #transport: Transport;
  #accountId: Promise<string> | undefined;

  /** @param world for tests */
  constructor(options: FireworksOptions = {}, runtime?: Runtime) {
    const settings = readSettings(options);
    const transport = new Transport(settings, runtime);
    super(new OperationClient(transport, () => this.accountId()));
    this.#transport = transport;
    if (settings.accountId !== null) this.#accountId = Promise.resolve(settings.accountId);
  }

  /** The address of the host, without the API's own paths. */
  get baseURL(): string {
    return this.#transport.origin;
  }

  /** The account that short names mean: the one of the options, else the key's, which the host is asked for once. */
  accountId(): Promise<string> {
    this.#accountId ??= this.#accountOfKey().catch((error: unknown) => {
      this.#accountId = undefined;
      throw error;
    });
    return this.#accountId;
  }

  /**
   * The JSON that answers a request which no method offers. A POST is sent again only when the server did nothing with it.
   */
  async request({ method, path, body }: RawRequest, options?: CallOptions): Promise<unknown> {
    if (!path.startsWith("/")) throw new InputError("path", "path must begin with /.");
    const repeatable = method === "POST" ? "unprocessed" : "always";
    return this.#transport.decode(await this.#transport.send({ method, path, body, repeatable, options }));
  }

  async #accountOfKey(): Promise<string> {
    const answer = await this.#transport.send({
      method: "GET",
      path: "/verifyApiKey",
      repeatable: "always",
    });
    const accountId = answer.headers.get("x-fireworks-account-id");
    if (accountId !== null) return accountId;
    // A web page says more of what is wrong than the missing header.
    this.#transport.decode(answer);
    throw new InputError("accountId", `${this.baseURL} doesn't say whose the key is: pass accountId.`);
  }
}
