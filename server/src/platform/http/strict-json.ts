import { badRequest } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";

/** Deepest nesting of a body; far above that of any request of the contract. */
const MAX_DEPTH = 50;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/gs;

/**
 * Refuses valid JSON that a resource's body must not have: duplicate fields, of which parsers keep different ones;
 * nesting above MAX_DEPTH; the character U+0000, which PostgreSQL can't store.
 * @param text valid JSON
 * @throws AppError BAD_REQUEST.
 */
export function refuseAmbiguousJson(text: string): void {
  /** The field names seen so far in each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let expectsName = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const names = open.at(-1);
    if (token === "{" || token === "[") {
      if (open.length === MAX_DEPTH) {
        throw badRequest("body", `The request body is nested deeper than ${MAX_DEPTH} levels.`);
      }
      open.push(token === "{" ? new Set() : null);
      expectsName = token === "{";
    } else if (token === "}" || token === "]") {
      open.pop();
      expectsName = false;
    } else if (token === ",") {
      expectsName = names instanceof Set;
    } else {
      if (/\\u0000/.test(token) && JSON.parse(token).includes("\0")) {
        throw badRequest("body", "The request body holds a text with the character U+0000.");
      }
      if (expectsName && names instanceof Set) takeName(JSON.parse(token), names);
      expectsName = false;
    }
  }
}

function takeName(name: string, names: Set<string>): void {
  if (names.has(name))
    throw badRequest(sanitizeForMessage(name), `The field ${sanitizeForMessage(name)} is given twice.`);
  if (name === "__proto__") throw badRequest(name, "Unknown field: __proto__.");
  names.add(name);
}
