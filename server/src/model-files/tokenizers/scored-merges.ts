import type { TokenizerSpec } from "../../tokenization/types.ts";

/**
 * The merges that a SentencePiece model implies: it joins the two neighbours whose union has the best score.
 * @param pieces ids by text
 * @param scores by id; pieces of equal score share a rank
 */
export function scoredMerges(
  pieces: ReadonlyMap<string, number>,
  scores: readonly number[],
): Pick<TokenizerSpec, "merges" | "mergeRanks"> {
  const byScore = [...pieces].sort(([, a], [, b]) => (scores[b] as number) - (scores[a] as number));
  const merges: number[] = [];
  const mergeRanks: number[] = [];
  let rank = -1;
  let lastScore = Number.NaN;
  for (const [text, id] of byScore) {
    if (scores[id] !== lastScore) rank++;
    lastScore = scores[id] as number;
    let at = 0;
    for (const character of text) {
      const [left, right] = [pieces.get(text.slice(0, at)), pieces.get(text.slice(at))];
      if (at > 0 && left !== undefined && right !== undefined) {
        merges.push(left, right, id);
        mergeRanks.push(rank);
      }
      at += character.length;
    }
  }
  return { merges, mergeRanks };
}
