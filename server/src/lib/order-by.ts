import { badRequest } from "./errors.ts";
import { sanitizeForMessage, toCamelCasePath } from "./field-names.ts";

export interface OrderTerm {
  /** camelCase, with dots for nested fields. */
  field: string;
  descending: boolean;
}

/** Bounds the SQL; nobody sorts by more fields. */
const MAX_TERMS = 5;
const MAX_LENGTH = 500;

/**
 * Parses an order such as `createTime desc,displayName`; names may be snake_case.
 * @param fields the names that can be ordered by.
 * @throws AppError BAD_REQUEST naming orderBy.
 */
export function parseOrderBy(text: string, fields: ReadonlySet<string>): OrderTerm[] {
  if (text.length > MAX_LENGTH)
    throw badRequest("orderBy", `orderBy is longer than ${MAX_LENGTH} characters.`);
  const terms = text.split(",").map((part) => parseTerm(part.trim(), fields));
  if (terms.length > MAX_TERMS) throw badRequest("orderBy", `orderBy names more than ${MAX_TERMS} fields.`);
  const names = new Set(terms.map((term) => term.field));
  if (names.size < terms.length) throw badRequest("orderBy", "orderBy names a field twice.");
  return terms;
}

function parseTerm(part: string, fields: ReadonlySet<string>): OrderTerm {
  const [name = "", direction = "asc", ...rest] = part.split(/\s+/);
  const field = toCamelCasePath(name);
  if (!fields.has(field)) {
    throw badRequest(
      "orderBy",
      `orderBy: ${sanitizeForMessage(name) || "an empty term"} is not a field to order by.`,
    );
  }
  if (rest.length > 0 || (direction !== "asc" && direction !== "desc")) {
    throw badRequest("orderBy", `orderBy: only asc or desc may follow ${field}.`);
  }
  return { field, descending: direction === "desc" };
}
