export interface CompiledGrammar {
  /** GBNF with the rule `root`, checked. */
  grammar: string;
  /** JSON pointers of the schema's keywords that the grammar does not enforce. */
  unenforced: readonly string[];
  /** The types that schemas without `type` are read to mean, as `#/properties/a=string`. */
  impliedTypes: readonly string[];
}
