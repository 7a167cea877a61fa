import type { Expr } from "../gbnf/expression.ts";
import { isNumber } from "./decimal.ts";
import type { GrammarRules } from "./grammar-rules.ts";
import type { JsonObject, Schema } from "./schema-document.ts";
import type { InstanceValidator } from "./validate.ts";

/** State of one compilation, shared by the compilers of the types. */
export interface CompileContext {
  rules: GrammarRules;
  validator: InstanceValidator;
  closedByDefault: boolean;
  /** An expression for the values that fit all the schemas. */
  valueExpr(schemas: readonly Schema[]): Expr;
  /** Records that the grammar does not enforce a keyword of a schema. */
  reportUnenforced(schema: JsonObject, keyword: string): void;
}

/** The least or greatest number under a keyword; null when no schema has it. */
export function strictest(
  schemas: readonly JsonObject[],
  keyword: string,
  pick: "least" | "most",
): number | null {
  const found = schemas.flatMap((schema) => (isNumber(schema[keyword]) ? [Number(schema[keyword])] : []));
  if (found.length === 0) return null;
  return pick === "least" ? Math.min(...found) : Math.max(...found);
}

/** Reports the keyword for every schema that has it. */
export function reportUnenforcedKeywords(
  schemas: readonly JsonObject[],
  keywords: readonly string[],
  context: CompileContext,
): void {
  for (const schema of schemas) {
    for (const keyword of keywords) if (keyword in schema) context.reportUnenforced(schema, keyword);
  }
}
