import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AppError } from "./errors.ts";
import {
  type Comparator,
  type FilterNode,
  MAX_FILTER_DEPTH,
  MAX_FILTER_TERMS,
  parseFilter,
} from "./filter.ts";

/** A short form of a tree, without positions: `["=", "a.b", ["x", ""]]`. */
function outline(node: FilterNode | null): unknown {
  if (node === null) return null;
  if (node.op === "not") return ["not", outline(node.term)];
  if (node.op !== "compare") return [node.op, ...node.terms.map(outline)];
  return [node.comparator, node.path.join("."), node.value.pieces.join("*")];
}

const refusalOf = (text: string): AppError => {
  try {
    parseFilter(text);
  } catch (error) {
    return error as AppError;
  }
  throw new Error("was accepted");
};

const a = ["=", "a", "1"];
const b = ["=", "b", "2"];
const c = ["=", "c", "3"];

describe("a filter is parsed by the rules of AIP-160", () => {
  test.each<[string, unknown]>([
    ["", null],
    [" \t\n", null],
    ["a=1", a],
    ["a = 1", a],
    ["((a = 1))", a],
    ["a=1 b=2", ["and", a, b]],
    ["a=1 AND b=2 AND c=3", ["and", a, b, c]],
    ["a=1 OR b=2 AND c=3", ["and", ["or", a, b], c]],
    ["a=1 AND b=2 OR c=3", ["and", a, ["or", b, c]]],
    ["(a=1 AND b=2) OR c=3", ["or", ["and", a, b], c]],
    ["a=1 b=2 OR c=3", ["and", a, ["or", b, c]]],
    ["NOT a=1", ["not", a]],
    ["-a=1", ["not", a]],
    ["NOT (a=1 OR b=2)", ["not", ["or", a, b]]],
    ["NOT a=1 OR b=2", ["or", ["not", a], b]],
    ["a<=1", ["<=", "a", "1"]],
    ["a!=1", ["!=", "a", "1"]],
    ["a:b", [":", "a", "b"]],
    ["a:*", [":", "a", "*"]],
    ["a.b.c = x", ["=", "a.b.c", "x"]],
    ['labels."a key.x" = x', ["=", "labels.a key.x", "x"]],
    ["labels.my-key:*", [":", "labels.my-key", "*"]],
    ["t > 2025-01-31T12:00:00.5+02:00", [">", "t", "2025-01-31T12:00:00.5+02:00"]],
    ["n >= -1.5e-3", [">=", "n", "-1.5e-3"]],
    ["d < 600s", ["<", "d", "600s"]],
    ["name = accounts/a/models/m", ["=", "name", "accounts/a/models/m"]],
    [`s = 'it "is"'`, ["=", "s", 'it "is"']],
    [`s = "it \\"is\\" \\\\"`, ["=", "s", 'it "is" \\']],
    ["NOTE = 1", ["=", "NOTE", "1"]],
    ["a = NOT", ["=", "a", "NOT"]],
    ["a = OR OR b = AND", ["or", ["=", "a", "OR"], ["=", "b", "AND"]]],
    ["or = 1", ["=", "or", "1"]],
  ])("such as %s", (text, expected) => {
    expect(outline(parseFilter(text))).toEqual(expected);
  });

  test("and escaped stars in quotes are not wildcards", () => {
    const pieces = (text: string): unknown =>
      (parseFilter(text) as { value: { pieces: string[] } }).value.pieces;
    expect(pieces("a = x*y*")).toEqual(["x", "y", ""]);
    expect(pieces('a = "x*y"')).toEqual(["x", "y"]);
    expect(pieces('a = "x\\*y"')).toEqual(["x*y"]);
    expect(pieces('a = "x\\\\*y"')).toEqual(["x\\", "y"]);
  });
});

describe("a refusal gives the position and what was expected", () => {
  test.each<[string, number, RegExp]>([
    ["a", 2, /expected one of = != /],
    ["a b", 3, /expected one of = != /],
    ["a =", 4, /expected a value/],
    ["a = )", 5, /expected a value/],
    ["= 1", 1, /expected a field's name/],
    ["a = 1 AND", 10, /expected a field's name/],
    ["AND a = 1", 1, /expected a field's name/],
    ["a = 1 OR OR b = 1", 10, /expected a field's name/],
    ["NOT NOT a = 1", 5, /expected a field's name/],
    ["(a = 1", 7, /expected a closing parenthesis/],
    ["a = 1)", 6, /expected AND, OR or the end/],
    ["()", 2, /expected a field's name/],
    ['a = "x', 5, /expected a value/],
    ['"a" = 1', 1, /expected a field's name/],
    ["a. = 1", 1, /expected a field's name/],
    ["a = 1,2", 6, /expected a field's name/],
    ["f(x)", 2, /expected one of = != /],
    ["a ~ 1", 3, /expected one of = != /],
    ["ä = 1", 1, /expected a field's name/],
    ['a = "\0"', 5, /no text can hold/],
    ["a = \ud800", 5, /no text can hold/],
  ])("for %j", (text, position, expected) => {
    const error = refusalOf(text);
    expect(error).toMatchObject({ code: "BAD_REQUEST", param: "filter" });
    expect(error.message).toMatch(expected);
    expect(error.message).toContain(`position ${position}:`);
  });

  test.each<[string, string, RegExp]>([
    ["10,000 comparisons", Array.from({ length: 10_000 }, (_, i) => `a=${i}`).join(" OR "), /longer than/],
    ["one comparison too many", "a=1 ".repeat(MAX_FILTER_TERMS + 1), /more than 100 comparisons/],
    ["parentheses that are too deep", `${"(".repeat(MAX_FILTER_DEPTH + 1)}a=1`, /deeper than 20/],
    ["a million parentheses", "(".repeat(1_000_000), /longer than/],
    ["four thousand parentheses", "(".repeat(4_000), /deeper than 20/],
    ["four thousand negations", "-".repeat(4_000), /expected a field's name/],
  ])("for %s", (_, text, expected) => {
    expect(refusalOf(text).message).toMatch(expected);
  });

  test("and a filter exactly at the limits is accepted", () => {
    parseFilter("a=1 ".repeat(MAX_FILTER_TERMS));
    parseFilter(`${"(".repeat(MAX_FILTER_DEPTH)}a=1${")".repeat(MAX_FILTER_DEPTH)}`);
  });
});

const text = fc.string({ unit: "grapheme", maxLength: 8 }).map((s) => s.replaceAll("\0", ""));
const comparison = fc
  .record({
    path: fc.tuple(fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/), fc.array(text, { maxLength: 2 })),
    comparator: fc.constantFrom<Comparator>("=", "!=", "<", "<=", ">", ">=", ":"),
    pieces: fc.array(text, { minLength: 1, maxLength: 3 }),
  })
  .map(
    ({ path: [first, rest], comparator, pieces }): FilterNode => ({
      op: "compare",
      path: [first, ...rest],
      comparator,
      value: { pieces, quoted: true, position: 0 },
      position: 0,
    }),
  );
const { node } = fc.letrec<{ node: FilterNode }>((tie) => {
  const terms = fc.array(tie("node"), { minLength: 2, maxLength: 3 });
  return {
    node: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      comparison,
      terms.map((list): FilterNode => ({ op: "and", terms: list })),
      terms.map((list): FilterNode => ({ op: "or", terms: list })),
      tie("node").map((term): FilterNode => ({ op: "not", term })),
    ),
  };
});

const quote = (value: string): string => `"${value.replace(/["\\*]/g, "\\$&")}"`;

/** Puts everything but a single comparison in parentheses. */
function print(tree: FilterNode): string {
  const inner = (child: FilterNode): string => (child.op === "compare" ? print(child) : `(${print(child)})`);
  if (tree.op === "not") return `NOT ${inner(tree.term)}`;
  if (tree.op !== "compare") return tree.terms.map(inner).join(tree.op === "and" ? " AND " : " OR ");
  const [first = "", ...rest] = tree.path;
  const value = tree.value.pieces.map((piece) => quote(piece).slice(1, -1)).join("*");
  return `${[first, ...rest.map(quote)].join(".")} ${tree.comparator} "${value}"`;
}

function withoutPositions(tree: FilterNode): FilterNode {
  if (tree.op === "not") return { op: "not", term: withoutPositions(tree.term) };
  if (tree.op !== "compare") return { op: tree.op, terms: tree.terms.map(withoutPositions) };
  return { ...tree, position: 0, value: { ...tree.value, position: 0 } };
}

describe("the parser", () => {
  test("parses a printed tree to the same tree", () => {
    fc.assert(
      fc.property(node, (tree) => {
        const printed = print(tree);
        fc.pre(printed.length <= 4_096 && printed.split(/[=<>:]/).length <= MAX_FILTER_TERMS);
        expect(withoutPositions(parseFilter(printed)!)).toEqual(tree);
      }),
    );
  });

  test("parses or refuses any text, and never fails otherwise", () => {
    const pieces = fc.constantFrom(
      "a",
      ".",
      "=",
      "!=",
      ":",
      "<",
      " ",
      "AND",
      "OR",
      "NOT ",
      "-",
      "(",
      ")",
      '"',
      "\\",
      "*",
      "1",
    );
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces, { maxLength: 60 }).map((p) => p.join("")),
    );
    fc.assert(
      fc.property(texts, (any) => {
        try {
          parseFilter(any);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect(error).toMatchObject({ code: "BAD_REQUEST", param: "filter" });
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
