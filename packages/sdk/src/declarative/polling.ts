import { pause } from "../client/deadline.ts";
import { TimeoutError } from "../client/errors.ts";

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** How long to wait at most. */
  timeoutMs?: number | undefined;
}

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;

/**
 * Looks again and again, ever more seldom, until there is an answer.
 * @param look null while there is none
 * @throws TimeoutError saying `what`; whatever `look` throws; the signal's reason
 */
export async function poll<T>(
  what: string,
  look: () => Promise<T | null>,
  { signal, timeoutMs = 1_800_000 }: WaitOptions,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.5)) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() + pauseMs > end) throw new TimeoutError(`${what} after ${timeoutMs} ms.`);
    await pause(pauseMs, signal);
  }
}
