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
/** How long a host may be unreachable, so that a restart doesn't end the wait. */
const MAX_SILENCE_MS = 60_000;

/**
 * Polls with growing pauses until the resource is in a final state. Returns null when `get` does, as the resource is gone.
 * @throws CliError when the resource failed, or after `--wait-timeout`
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
  const howToFollow = `It continues on the host. Watch it with "firectl get ${words[0]} ${name}".`;
  const poll = outageTolerant(processContext, get);
  let state = "";
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
      const object = await poll();
      if (object === null) return object;
      if (object !== undefined) {
        state = String(object["state"] ?? "");
        if (states?.done.includes(state)) return object;
        if (states?.failed.includes(state) || (state === states?.stuck && hasFailed(object))) {
          throw new CliError(`${name} is ${state}: ${messageOf(object) || "the host doesn't say why."}`);
        }
      }
      const passedMs = processContext.nowMs() - startMs;
      const message =
        object === undefined ? `${name}: the host says nothing at the moment` : progressOf(object);
      await line.show(message, ` ${Math.round(passedMs / 1000)} s`);
      if (passedMs + pauseMs > timeoutMs) {
        throw new CliError(`${name} is still ${state} after ${Math.round(timeoutMs / 1000)} s.`, howToFollow);
      }
      await processContext.pause(pauseMs);
    }
  } catch (error) {
    if (processContext.signal.aborted) throw new Interrupted(howToFollow);
    throw error;
  } finally {
    await line.clear();
  }
}

/** Polls until the resource is deleted or no longer found. */
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

/** Wraps `get` to return undefined while the host is unreachable. @throws the error after MAX_SILENCE_MS without a response */
function outageTolerant<T>({ nowMs }: ProcessContext, get: () => Promise<T>): () => Promise<T | undefined> {
  let lastResponseMs = nowMs();
  return async () => {
    try {
      const object = await get();
      lastResponseMs = nowMs();
      return object;
    } catch (error) {
      const isUnreachable = error instanceof ConnectionError || error instanceof ServerError;
      if (isUnreachable && nowMs() - lastResponseMs < MAX_SILENCE_MS) return undefined;
      throw error;
    }
  };
}

function hasFailed({ status }: ResourceObject): boolean {
  const { code } = (status ?? {}) as { code?: string };
  return code !== undefined && code !== "OK" && code !== "";
}

function progressOf(object: ResourceObject): string {
  const { name, state } = object;
  const message = messageOf(object);
  return `${name}: ${state}${message === "" ? "" : `, ${message}`}`;
}

/** The message of the resource's status; empty without one. */
function messageOf({ status }: ResourceObject): string {
  return printable(String((status as { message?: unknown } | undefined)?.message ?? ""));
}
