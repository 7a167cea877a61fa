import { ConnectionError, NotFoundError, ServerError } from "@hearth/sdk";
import { parseDuration } from "../args/durations.ts";
import { CliError, Interrupted } from "../errors.ts";
import { StatusLine } from "../output/status-line.ts";
import { printable, type ResourceObject } from "../output/text.ts";
import type { ProcessContext } from "../process-context.ts";
import type { Context } from "./context.ts";
import type { Resource } from "./resource.ts";

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
const DEFAULT_TIMEOUT_MS = 3_600_000;
/** How long nothing may be heard: a host that is started anew is waited for. */
const MAX_SILENCE_MS = 60_000;

/**
 * Asks, less and less often, until the object is in one of its final states; null from `get`: it is gone, which is final.
 * @throws CliError when it failed, or the time is over
 */
export async function waitFor<T extends ResourceObject | null>(
  context: Context,
  { words, states }: Pick<Resource, "words" | "states">,
  name: string,
  get: () => Promise<T>,
): Promise<T> {
  const { processContext, flags } = context;
  const timeout = flags.get("wait-timeout") as string | undefined;
  const timeoutMs =
    timeout === undefined ? DEFAULT_TIMEOUT_MS : Number((parseDuration(timeout) ?? 0n) / 1_000_000n);
  const line = new StatusLine(processContext.stderr, context.isQuiet);
  const startMs = processContext.nowMs();
  const again = `It goes on. See how far it is with "firectl get ${words[0]} ${name}".`;
  const listen = listener(processContext, get);
  let state = "";
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
      const object = await listen();
      if (object === null) return object;
      if (object !== undefined) {
        state = String(object["state"] ?? "");
        if (states?.done.includes(state)) return object;
        if (states?.failed.includes(state) || (state === states?.stuck && hasFailed(object))) {
          throw new CliError(`${name} is ${state}: ${messageOf(object) || "the host doesn't say why."}`);
        }
      }
      const passedMs = processContext.nowMs() - startMs;
      const news = object === undefined ? `${name}: the host says nothing at the moment` : newsOf(object);
      await line.show(news, ` ${Math.round(passedMs / 1000)} s`);
      if (passedMs + pauseMs > timeoutMs) {
        throw new CliError(`${name} is still ${state} after ${Math.round(timeoutMs / 1000)} s.`, again);
      }
      await processContext.pause(pauseMs);
    }
  } catch (error) {
    if (processContext.signal.aborted) throw new Interrupted(again);
    throw error;
  } finally {
    await line.clear();
  }
}

/** Asks until the object is deleted or can't be found any more. */
export async function waitUntilGone(
  context: Context,
  { words }: Pick<Resource, "words">,
  name: string,
  get: () => Promise<ResourceObject>,
): Promise<void> {
  await waitFor(context, { words, states: { done: ["DELETED"], failed: [] } }, name, () =>
    get().catch((error: unknown) => {
      if (error instanceof NotFoundError) return null;
      throw error;
    }),
  );
}

/** Asks; undefined while the host is away, which it may be for a while. */
function listener<T>({ nowMs }: ProcessContext, get: () => Promise<T>): () => Promise<T | undefined> {
  let heardMs = nowMs();
  return async () => {
    try {
      const object = await get();
      heardMs = nowMs();
      return object;
    } catch (error) {
      const isAway = error instanceof ConnectionError || error instanceof ServerError;
      if (isAway && nowMs() - heardMs < MAX_SILENCE_MS) return undefined;
      throw error;
    }
  };
}

function hasFailed({ status }: ResourceObject): boolean {
  const { code } = (status ?? {}) as { code?: string };
  return code !== undefined && code !== "OK" && code !== "";
}

function newsOf(object: ResourceObject): string {
  const { name, state } = object;
  const message = messageOf(object);
  return `${name}: ${state}${message === "" ? "" : `, ${message}`}`;
}

/** What the object's status says. */
function messageOf({ status }: ResourceObject): string {
  return printable(String((status as { message?: unknown } | undefined)?.message ?? ""));
}
