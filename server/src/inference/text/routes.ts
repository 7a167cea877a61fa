import type { Principal } from "../../control/api-keys/service.ts";
import type { RawRoute } from "../../platform/http/server.ts";
import type { TextParameters } from "./parameters.ts";
import { RequestRecord, type RequestRecordDeps } from "./record.ts";
import { failRequest, serveText, type TextEndpoint, type TextServices } from "./serve.ts";

/** Largest request body: room for the ten megabytes of base64 images the contract allows, and for any prompt. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

export interface TextRouteDeps extends RequestRecordDeps {
  services: TextServices;
}

/** The route of a text endpoint: from the first byte of the request on, everything leaves one row in the ledger. */
export function textRoute<Body extends TextParameters>(
  paths: readonly string[],
  endpoint: TextEndpoint<Body>,
  deps: TextRouteDeps,
): RawRoute<Principal> {
  return {
    paths,
    handle(exchange) {
      const record = new RequestRecord(deps, exchange.id, exchange.principal, endpoint.name);
      exchange.readJson(MAX_BODY_BYTES, (error, body) => {
        if (error !== null) failRequest(exchange, record, error);
        else void serveText(deps.services, endpoint, exchange, record, body);
      });
    },
  };
}
