import { pause } from "../client/deadline.ts";
import { TimeoutError } from "../client/errors.ts";
import { mayRepeat } from "../client/retry.ts";

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** How long to wait at most. */
  timeoutMs?: number | undefined;
}

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;
/** How long nothing may be heard: a host that is started anew is waited for. */
const MAX_SILENCE_MS = 60_000;

/**
 * Looks again and again, ever more seldom, until there is an answer.
 * @param look null while there is none; changes nothing
 * @throws TimeoutError saying `what`; whatever `look` throws, unless it passes; the signal's reason
 */
export async function poll<T>(
  what: string,
  look: () => Promise<T | null>,
  { signal, timeoutMs = 1_800_000 }: WaitOptions,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let heardMs = performance.now();
  const lookAgain = async (): Promise<T | null> => {
    try {
      const found = await look();
      heardMs = performance.now();
      return found;
    } catch (error) {
      const isSilent = !signal?.aborted && mayRepeat(error, "always");
      if (isSilent && performance.now() - heardMs < MAX_SILENCE_MS) return null;
      throw error;
    }
  };
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
    const found = await lookAgain();
    if (found !== null) return found;
    if (performance.now() + pauseMs > end) throw new TimeoutError(`${what} after ${timeoutMs} ms.`);
    await pause(pauseMs, signal);
  }
}
