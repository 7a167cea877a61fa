import type { CompiledGrammar } from "../../structured-output/compiled-grammar.ts";

/** Longest header value; items that don't fit are only counted. */
const MAX_CHARS = 1_000;

/**
 * Headers that say how the output may differ from the schema: `x-hearth-schema-unenforced` names the keywords that it may
 * violate, `x-hearth-schema-implied-types` the schemas without `type` that are read as being about some types only.
 */
export function schemaWarningHeaders(constraint: CompiledGrammar | null): readonly string[] {
  if (constraint === null) return [];
  return [
    ...listHeader("x-hearth-schema-unenforced", constraint.unenforced),
    ...listHeader("x-hearth-schema-implied-types", constraint.impliedTypes),
  ];
}

function listHeader(name: string, items: readonly string[]): readonly string[] {
  if (items.length === 0) return [];
  const shown: string[] = [];
  let chars = 0;
  for (const item of items) {
    // A pointer holds the client's property names, and a header may hold printable ASCII only.
    const encoded = encodeURI(item.toWellFormed());
    chars += encoded.length + 2;
    if (chars > MAX_CHARS) break;
    shown.push(encoded);
  }
  const omitted = items.length - shown.length;
  return [name, shown.join(", ") + (omitted > 0 ? `, and ${omitted} more` : "")];
}
