import { ConnectionError, NotFoundError, ServerError } from "@hearth/sdk";
import { parseDuration } from "../args/durations.ts";
import { CliError, Interrupted } from "../errors.ts";
import { StatusLine } from "../output/status-line.ts";
import { printable, type Thing } from "../output/text.ts";
import type { World } from "../world.ts";
import type { Context } from "./context.ts";
import type { Resource } from "./resource.ts";

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
const DEFAULT_TIMEOUT_MS = 3_600_000;
/** How long nothing may be heard: a host that is started anew is waited for. */
const MAX_SILENCE_MS = 60_000;

/**
 * Asks, less and less often, until the thing is in one of its final states; null from `get`: it is gone, which is final.
 * @throws CliError when it failed, or the time is over
 */
export async function waitFor<T extends Thing | null>(
  context: Context,
  { words, states }: Resource,
  name: string,
  get: () => Promise<T>,
): Promise<T> {
  const { world, flags } = context;
  const timeout = flags.get("wait-timeout") as string | undefined;
  const timeoutMs =
    timeout === undefined ? DEFAULT_TIMEOUT_MS : Number((parseDuration(timeout) ?? 0n) / 1_000_000n);
  const line = new StatusLine(world.stderr, context.isQuiet);
  const startMs = world.nowMs();
  const again = `It goes on. See how far it is with "firectl get ${words[0]} ${name}".`;
  const listen = listener(world, get);
  let state = "";
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
      const thing = await listen();
      if (thing === null) return thing;
      if (thing !== undefined) {
        state = String(thing["state"] ?? "");
        if (states?.done.includes(state)) return thing;
        if (states?.failed.includes(state) || (state === states?.stuck && hasFailed(thing))) {
          throw new CliError(`${name} is ${state}: ${messageOf(thing) || "the host doesn't say why."}`);
        }
      }
      const passedMs = world.nowMs() - startMs;
      const news = thing === undefined ? `${name}: the host says nothing at the moment` : newsOf(thing);
      await line.show(news, ` ${Math.round(passedMs / 1000)} s`);
      if (passedMs + pauseMs > timeoutMs) {
        throw new CliError(`${name} is still ${state} after ${Math.round(timeoutMs / 1000)} s.`, again);
      }
      await world.pause(pauseMs);
    }
  } catch (error) {
    if (world.signal.aborted) throw new Interrupted(again);
    throw error;
  } finally {
    await line.clear();
  }
}

/** Asks until the thing is deleted or can't be found any more. */
export async function waitUntilGone(
  context: Context,
  resource: Resource,
  name: string,
  get: () => Promise<Thing>,
): Promise<void> {
  await waitFor(context, { ...resource, states: { done: ["DELETED"], failed: [] } }, name, () =>
    get().catch((error: unknown) => {
      if (error instanceof NotFoundError) return null;
      throw error;
    }),
  );
}

/** Asks; undefined while the host is away, which it may be for a while. */
function listener<T>({ nowMs }: World, get: () => Promise<T>): () => Promise<T | undefined> {
  let heardMs = nowMs();
  return async () => {
    try {
      const thing = await get();
      heardMs = nowMs();
      return thing;
    } catch (error) {
      const isAway = error instanceof ConnectionError || error instanceof ServerError;
      if (isAway && nowMs() - heardMs < MAX_SILENCE_MS) return undefined;
      throw error;
    }
  };
}

function hasFailed({ status }: Thing): boolean {
  const { code } = (status ?? {}) as { code?: string };
  return code !== undefined && code !== "OK" && code !== "";
}

function newsOf(thing: Thing): string {
  const { name, state } = thing;
  const message = messageOf(thing);
  return `${name}: ${state}${message === "" ? "" : `, ${message}`}`;
}

/** What the thing's status says. */
function messageOf({ status }: Thing): string {
  return printable(String((status as { message?: unknown } | undefined)?.message ?? ""));
}
