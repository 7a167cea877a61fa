import { parse, tokenize } from "@huggingface/jinja";
import { TemplateSyntaxError } from "./errors.ts";
import type { Statement } from "./nodes.ts";

type Token = Parameters<typeof parse>[0][number];

/** Prefix of the filters that stand for tests with arguments. */
export const TEST = "is ";
export const NEGATED_TEST = "is not ";

const OPENING = ["OpenParen", "OpenSquareBracket", "OpenCurlyBracket"];
const CLOSING = ["CloseParen", "CloseSquareBracket", "CloseCurlyBracket"];
const STARTS_ARGUMENT = [...OPENING, "StringLiteral", "NumericLiteral", "Identifier"];
const NEVER_ARGUMENT = ["and", "or", "else", "if", "is", "in", "not"];

/** @throws TemplateSyntaxError */
export function parseTemplate(source: string): readonly Statement[] {
  try {
    const tokens = tokenize(trimBlocks(normalizeSource(source)));
    // The parser's own types are classes that the package doesn't export.
    return parse(rewriteTokens(tokens)).body as unknown as Statement[];
  } catch (error) {
    // The parser reads past the last token.
    const endsEarly = error instanceof TypeError;
    throw new TemplateSyntaxError(endsEarly ? "the template ends too early" : (error as Error).message);
  }
}

/** Jinja reads every line break as `\n`, and keeps the backslash of an escape that it doesn't know. */
function normalizeSource(source: string): string {
  return source
    .replace(/\r\n?/g, "\n")
    .replace(/\{[{%][\s\S]*?[%}]\}/g, (tag) =>
      tag.replace(/\\([\s\S])/g, (written, character: string) =>
        "ntrbfv'\"\\xu".includes(character) ? written : `\\\\${character}`,
      ),
    );
}

/** Jinja2's `lstrip_blocks` and `trim_blocks`, with the `+` that turns them off for one tag, which the tokenizer lacks. */
function trimBlocks(source: string): string {
  return source
    .replace(/^[^\S\n]+(?=\{(?:%(?!\+)|#))/gm, "")
    .replace(/(?<!\+)([%#]\})\n/g, "$1")
    .replaceAll("{%+", "{%")
    .replaceAll("+%}", "%}");
}

/**
 * Mends what the parser reads unlike Jinja2: tests with arguments become filters, which take arguments, and `~` binds tighter
 * than `+`.
 */
function rewriteTokens(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    const test = isName(token, "is") && tokens[i - 1]?.type !== "Dot" ? testWithArguments(tokens, i) : null;
    if (test !== null) {
      result.push(...test.tokens);
      i = test.end - 1;
    } else if (token.type === "AdditiveBinaryOperator" && token.value === "~") {
      result.push({ type: "MultiplicativeBinaryOperator", value: "~" });
    } else {
      result.push(token);
    }
  }
  return result;
}

/** The test at `is` as a filter, and the position after it; null: it has no arguments. */
function testWithArguments(tokens: readonly Token[], at: number): { tokens: Token[]; end: number } | null {
  const negated = isName(tokens[at + 1], "not");
  const nameAt = at + (negated ? 2 : 1);
  const name = tokens[nameAt];
  const start = nameAt + 1;
  const first = tokens[start];
  if (name?.type !== "Identifier" || first === undefined) return null;
  if (!STARTS_ARGUMENT.includes(first.type)) return null;
  if (first.type === "Identifier" && NEVER_ARGUMENT.includes(first.value)) return null;
  const filter: Token[] = [
    { type: "Pipe", value: "|" },
    { type: "Identifier", value: `${negated ? NEGATED_TEST : TEST}${name.value}` },
  ];
  if (first.type === "OpenParen") return { tokens: filter, end: start };
  const end = operandEnd(tokens, start);
  return {
    tokens: [
      ...filter,
      { type: "OpenParen", value: "(" },
      ...rewriteTokens(tokens.slice(start, end)),
      { type: "CloseParen", value: ")" },
    ],
    end,
  };
}

/** The position after the operand at `start`: a literal or a name, with the members and calls that follow it. */
function operandEnd(tokens: readonly Token[], start: number): number {
  let end = OPENING.includes(tokens[start]!.type) ? bracketEnd(tokens, start) : start + 1;
  for (;;) {
    const type = tokens[end]?.type;
    if (type === "Dot") end += 2;
    else if (type === "OpenParen" || type === "OpenSquareBracket") end = bracketEnd(tokens, end);
    else return end;
  }
}

function bracketEnd(tokens: readonly Token[], start: number): number {
  let depth = 0;
  for (let i = start; i < tokens.length; i++) {
    const { type } = tokens[i]!;
    if (OPENING.includes(type)) depth++;
    else if (CLOSING.includes(type) && --depth === 0) return i + 1;
  }
  return tokens.length;
}

function isName(token: Token | undefined, value: string): boolean {
  return token?.type === "Identifier" && token.value === value;
}
