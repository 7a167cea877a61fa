/** Longest header value; what doesn't fit is only counted. */
const MAX_CHARS = 1_000;

/** Names the keywords of a schema that the output may break, as a header; none when there are none. */
export function schemaWarningHeaders(pointers: readonly string[]): readonly string[] {
  if (pointers.length === 0) return [];
  const shown: string[] = [];
  let chars = 0;
  for (const pointer of pointers) {
    // Pointers hold the client's property names; a header takes printable ASCII alone.
    const safe = encodeURI(pointer.toWellFormed());
    chars += safe.length + 2;
    if (chars > MAX_CHARS) break;
    shown.push(safe);
  }
  const more = pointers.length - shown.length;
  return ["x-hearth-schema-unenforced", shown.join(", ") + (more > 0 ? `, and ${more} more` : "")];
}
