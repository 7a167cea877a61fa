import { Fireworks, FireworksError } from "@hearth/sdk";
import type { Settings } from "./config/settings.ts";
import { resourceJson } from "./output/json.ts";
import type { ProcessContext } from "./process-context.ts";
import { VERSION } from "./version.ts";

/** Ends a command of `--dry-run` once its request is printed. */
export class DryRunEnd extends FireworksError {}

export function openClient(
  processContext: ProcessContext,
  { host, accountId }: Settings,
  apiKey: string,
): Fireworks {
  return new Fireworks({
    apiKey,
    baseURL: host.value,
    accountId: accountId?.value,
    fetch: processContext.fetch,
    headers: { "user-agent": `firectl/${VERSION}` },
  });
}

/**
 * A client that prints its first request instead of sending it, and then throws `DryRunEnd`.
 * @param secrets values that are printed as `…`
 */
export function openDryRun(
  settings: Settings,
  secrets: ReadonlySet<unknown>,
  print: (text: string) => Promise<void>,
): Fireworks {
  return new Fireworks({
    apiKey: "not-sent",
    baseURL: settings.host.value,
    accountId: settings.accountId?.value,
    fetch: async (url, init) => {
      const body =
        typeof init?.body === "string"
          ? JSON.parse(init.body, (_, value) => (secrets.has(value) ? "…" : value))
          : undefined;
      const method = init?.method ?? "GET";
      await print(resourceJson({ method, url: String(url), ...(body !== undefined && { body }) }));
      throw new DryRunEnd("Nothing was sent.");
    },
  });
}
