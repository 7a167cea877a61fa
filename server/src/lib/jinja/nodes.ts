/** The syntax tree that `@huggingface/jinja` parses. The package doesn't export these types. */

export interface Name {
  type: "Identifier";
  value: string;
}

export interface KeywordArgument {
  type: "KeywordArgumentExpression";
  key: Name;
  value: Expression;
}

export interface Call {
  type: "CallExpression";
  callee: Expression;
  args: readonly Argument[];
}

export interface Slice {
  type: "SliceExpression";
  start?: Expression;
  stop?: Expression;
  step?: Expression;
}

export interface Member {
  type: "MemberExpression";
  object: Expression;
  property: Expression | Slice;
  /** Written with brackets. */
  computed: boolean;
}

export interface Sequence {
  type: "ArrayLiteral" | "TupleLiteral";
  value: readonly Expression[];
}

export interface Binary {
  type: "BinaryExpression";
  operator: { value: string };
  left: Expression;
  right: Expression;
}

export type Expression =
  | Name
  | Call
  | Member
  | Sequence
  | Binary
  | { type: "IntegerLiteral" | "FloatLiteral"; value: number }
  | { type: "StringLiteral"; value: string }
  | { type: "ObjectLiteral"; value: ReadonlyMap<Expression, Expression> }
  | { type: "FilterExpression"; operand: Expression; filter: Name | Call }
  /** `lhs if test`, also as the iterable of a loop. */
  | { type: "SelectExpression"; lhs: Expression; test: Expression }
  | { type: "TestExpression"; operand: Expression; negate: boolean; test: Name }
  | { type: "UnaryExpression"; operator: { value: string }; argument: Expression }
  | { type: "Ternary"; condition: Expression; trueExpr: Expression; falseExpr: Expression };

export type Argument =
  | Expression
  | KeywordArgument
  | { type: "SpreadExpression"; argument: Expression }
  | { type: "KeywordSpreadExpression"; argument: Expression };

export type Parameter = Name | KeywordArgument;

export interface For {
  type: "For";
  loopvar: Expression;
  iterable: Expression;
  body: readonly Statement[];
  defaultBlock: readonly Statement[];
}

export interface SetBlock {
  type: "Set";
  assignee: Expression;
  /** Null: the value is what `body` renders. */
  value: Expression | null;
  body: readonly Statement[];
}

export interface Macro {
  type: "Macro";
  name: Name;
  args: readonly Parameter[];
  body: readonly Statement[];
}

export interface CallBlock {
  type: "CallStatement";
  call: Call;
  callerArgs: readonly Parameter[] | null;
  body: readonly Statement[];
}

export type Statement =
  | Expression
  | For
  | SetBlock
  | Macro
  | CallBlock
  | { type: "If"; test: Expression; body: readonly Statement[]; alternate: readonly Statement[] }
  | { type: "Break" | "Continue" | "Comment" }
  | { type: "FilterStatement"; filter: Name | Call; body: readonly Statement[] };
