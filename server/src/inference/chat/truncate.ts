import type { ReplicaLease } from "../../fleet/service.ts";

/**
 * Leaves out the oldest messages until the prompt has at most `limit` tokens. System messages at the start and the last
 * message always stay, even if they alone exceed the limit. The rest begins with a user's message or is the last message.
 * Binary search: calls `count` about log₂(messages) times.
 */
export async function dropOldestMessages<T extends { role: string }>(
  messages: readonly T[],
  limit: number,
  /** Tokens of the prompt for these messages. */
  count: (messages: readonly T[]) => Promise<number>,
): Promise<readonly T[]> {
  if ((await count(messages)) <= limit) return messages;
  const firstTurn = messages.findIndex(({ role }) => role !== "system");
  const last = messages.length - 1;
  if (firstTurn === -1 || firstTurn === last) return messages;
  const system = messages.slice(0, firstTurn);
  const candidates = messages
    .flatMap(({ role }, i) => (i > firstTurn && (role === "user" || i === last) ? [i] : []))
    .map((start) => [...system, ...messages.slice(start)]);
  // Candidates get shorter; find the first one that fits.
  let low = 0;
  let high = candidates.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((await count(candidates[middle]!)) <= limit) high = middle;
    else low = middle + 1;
  }
  return candidates[low]!;
}

/** Tokens of a text, or an upper bound within the limit: a token has at least one byte, so a short text needs no tokenizer. */
export async function countTokens(replica: ReplicaLease, text: string, limit: number): Promise<number> {
  const sizeBytes = Buffer.byteLength(text);
  return sizeBytes <= limit ? sizeBytes : (await replica.tokenize(text)).length;
}
