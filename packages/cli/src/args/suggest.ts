/** The candidate most like the text: one that begins with it, or has a small edit distance; undefined if none is close. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = Math.min(3, Math.ceil(text.length / 2));
  for (const candidate of candidates) {
    const edits = editsBetween(text.toLowerCase(), candidate.toLowerCase());
    const begins = text.length >= 3 && candidate.startsWith(text);
    if (edits < fewest || (begins && best === undefined)) {
      best = candidate;
      fewest = Math.min(fewest, edits);
    }
  }
  return best;
}

/** ` Did you mean x?`, or an empty string. */
export function didYouMean(text: string, candidates: Iterable<string>, prefix = ""): string {
  const found = nearest(text, candidates);
  return found === undefined ? "" : ` Did you mean ${prefix}${found}?`;
}

/** The Damerau-Levenshtein distance (optimal string alignment); 4 if the lengths differ by more than 3. */
function editsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return 4;
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
        swapped ? (before[j - 2] ?? Number.POSITIVE_INFINITY) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length] as number;
}
