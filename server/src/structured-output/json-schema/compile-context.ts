import type { Expr } from "../gbnf/expression.ts";
import type { GrammarRules } from "./grammar-rules.ts";
import type { JsonObject, Schema } from "./schema-document.ts";
import type { InstanceValidator } from "./validate.ts";

/** What the writers of the types share while one schema is compiled. */
export interface CompileContext {
  rules: GrammarRules;
  validator: InstanceValidator;
  closedByDefault: boolean;
  /** The values that fit all the schemas. */
  valueExpr(schemas: readonly Schema[]): Expr;
  /** Reports that a keyword of a schema is not enforced. */
  reportUnenforced(schema: JsonObject, keyword: string): void;
}

/** The strictest of the numbers under a keyword. */
export function strictest(
  schemas: readonly JsonObject[],
  keyword: string,
  pick: "least" | "most",
): number | null {
  const found = schemas.flatMap((schema) => (typeof schema[keyword] === "number" ? [schema[keyword]] : []));
  if (found.length === 0) return null;
  return pick === "least" ? Math.min(...found) : Math.max(...found);
}

/** Reports the keyword for every schema that has it. */
export function reportUnenforcedKeywords(
  schemas: readonly JsonObject[],
  keywords: readonly string[],
  writing: CompileContext,
): void {
  for (const schema of schemas) {
    for (const keyword of keywords) if (keyword in schema) writing.reportUnenforced(schema, keyword);
  }
}
