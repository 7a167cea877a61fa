import { Fireworks, FireworksError } from "@hearth/sdk";
import type { Context } from "./commands/context.ts";
import type { Settings } from "./config/settings.ts";
import { thingJson } from "./output/json.ts";
import { VERSION } from "./version.ts";
import type { World } from "./world.ts";

/** What was printed in place of a request. */
export class DryRunEnd extends FireworksError {}

export function openClient(world: World, { host, accountId }: Settings, apiKey: string): Fireworks {
  return new Fireworks({
    apiKey,
    baseURL: host.value,
    accountId: accountId?.value,
    fetch: world.fetch,
    headers: { "user-agent": `firectl/${VERSION}` },
  });
}

/** A client that prints its first request, secrets left out, and ends there. */
export function openDryRun({ out, flags, command }: Context, settings: Settings): Fireworks {
  const secrets = command.flags
    .filter(({ isSecret }) => isSecret === true)
    .flatMap(({ name }) => flags.get(name) ?? []);
  const hidden = new Set<unknown>(secrets.flat());
  return new Fireworks({
    apiKey: "not-sent",
    baseURL: settings.host.value,
    accountId: settings.accountId?.value,
    fetch: async (url, init) => {
      const body =
        typeof init?.body === "string"
          ? JSON.parse(init.body, (_, value) => (hidden.has(value) ? "…" : value))
          : undefined;
      await out.raw(
        thingJson({ method: init?.method ?? "GET", url: String(url), ...(body !== undefined && { body }) }),
      );
      throw new DryRunEnd("Nothing was sent.");
    },
  });
}
