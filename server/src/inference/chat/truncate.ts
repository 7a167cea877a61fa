import type { ReplicaLease } from "../../fleet/service.ts";

/**
 * Leaves out the oldest turns until the prompt has at most `limit` tokens. System messages at the start and the last
 * turn always stay, also when they alone are longer; what is left begins with a user's turn or is the last one.
 * Counts about log₂(turns) times.
 */
export async function dropOldestTurns<T extends { role: string }>(
  messages: readonly T[],
  limit: number,
  /** Tokens of a prompt made of these messages. */
  count: (messages: readonly T[]) => Promise<number>,
): Promise<readonly T[]> {
  if ((await count(messages)) <= limit) return messages;
  const firstTurn = messages.findIndex(({ role }) => role !== "system");
  const last = messages.length - 1;
  if (firstTurn === -1 || firstTurn === last) return messages;
  const system = messages.slice(0, firstTurn);
  const shortened = messages
    .flatMap(({ role }, i) => (i > firstTurn && (role === "user" || i === last) ? [i] : []))
    .map((start) => [...system, ...messages.slice(start)]);
  // The longest that fits; they get shorter from one to the next.
  let [low, high] = [0, shortened.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((await count(shortened[middle]!)) <= limit) high = middle;
    else low = middle + 1;
  }
  return shortened[low]!;
}

/** Tokens of a text. What surely fits is not counted: a token stands for at least one byte. */
export async function countTokens(engine: ReplicaLease, text: string, limit: number): Promise<number> {
  const mostTokens = Buffer.byteLength(text);
  return mostTokens <= limit ? mostTokens : (await engine.tokenize(text)).length;
}
