/** Longest header value; pointers that don't fit are only counted. */
const MAX_CHARS = 1_000;

/** A header that names the schema's unenforced keywords, which the output may violate; empty when there are none. */
export function schemaWarningHeaders(pointers: readonly string[]): readonly string[] {
  if (pointers.length === 0) return [];
  const names: string[] = [];
  let chars = 0;
  for (const pointer of pointers) {
    // A pointer holds the client's property names, and a header may hold printable ASCII only.
    const name = encodeURI(pointer.toWellFormed());
    chars += name.length + 2;
    if (chars > MAX_CHARS) break;
    names.push(name);
  }
  const omitted = pointers.length - names.length;
  return ["x-hearth-schema-unenforced", names.join(", ") + (omitted > 0 ? `, and ${omitted} more` : "")];
}
