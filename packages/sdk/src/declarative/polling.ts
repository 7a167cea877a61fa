import { pause } from "../client/deadline.ts";
import { TimeoutError } from "../client/errors.ts";
import { mayRetry } from "../client/retry.ts";

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** The longest wait, in ms. Default: 30 minutes, or a day for a fine-tuning job. */
  timeoutMs?: number | undefined;
}

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;
/** How long a host may be unreachable, so that a restart doesn't end the wait. */
const MAX_SILENCE_MS = 60_000;

/**
 * Polls with growing pauses until `read` returns a value.
 * @param condition begins the timeout's message, such as `accounts/a/deployments/d was not ready`
 * @param read returns null to be called again; must have no side effects
 * @throws TimeoutError; errors of `read` that a retry can't fix; the signal's reason
 */
export async function poll<T>(
  condition: string,
  read: () => Promise<T | null>,
  { signal, timeoutMs = 1_800_000 }: WaitOptions,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let lastResponseMs = performance.now();
  const readWhileSilent = async (): Promise<T | null> => {
    try {
      const found = await read();
      lastResponseMs = performance.now();
      return found;
    } catch (error) {
      const isSilent = !signal?.aborted && mayRetry(error, "always");
      if (isSilent && performance.now() - lastResponseMs < MAX_SILENCE_MS) return null;
      throw error;
    }
  };
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
    const found = await readWhileSilent();
    if (found !== null) return found;
    if (performance.now() + pauseMs > end) throw new TimeoutError(`${condition} after ${timeoutMs} ms.`);
    await pause(pauseMs, signal);
  }
}
