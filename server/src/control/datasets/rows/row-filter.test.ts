import fc from "fast-check";
import { expect, test } from "vitest";
import { compileRowFilter } from "./row-filter.ts";

const row = {
  score: 0.5,
  ok: true,
  note: "Good answer",
  tags: ["math", 7],
  meta: { source: "web", depth: null },
  messages: [{ role: "user", content: "hi" }],
};

test.each([
  ["score > 0.4", true],
  ["score >= 0.5 AND score <= 0.5", true],
  ["score < 0.5", false],
  ["score = 5e-1", true],
  ["score != 0.5", false],
  ["ok = true", true],
  ["ok = 'true'", false],
  ["NOT ok = true", false],
  ["note = 'Good answer'", true],
  ["note = Good*", true],
  ["note = '*d*w*r'", true],
  ["note = '*answer*answer'", false],
  ["note : 'ANSWER'", true],
  ["note > 'Bad'", true],
  ["tags : math", true],
  ["tags : 7", true],
  ["tags : chemistry", false],
  ["meta.source = web OR meta.source = book", true],
  ["meta : source", true],
  ["meta.source : *", true],
  ["meta.depth : *", false],
  ["meta.depth = null", true],
  ["absent : *", false],
  ["absent = 1", false],
  ["absent != 1", true],
  ["absent.deeper > 1", false],
  ["", true],
  ["note > 5 AND (score > 1 OR ok = true)", true],
])("the filter %s passes the row: %s", (filter, passes) => {
  expect(compileRowFilter(filter)(row)).toBe(passes);
});

test.each(["score >", "score > 1 AND", "((((", "f=1 ".repeat(101)])(
  "the filter %j is refused by the name of its field",
  (filter) => {
    expect(() => compileRowFilter(filter)).toThrow(
      expect.objectContaining({ param: "filter", code: "BAD_REQUEST" }),
    );
  },
);

test("wildcards match like the equivalent regular expression", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 8 });
  fc.assert(
    fc.property(text, fc.array(text, { minLength: 1, maxLength: 4 }), (value, pieces) => {
      const expected = new RegExp(`^${pieces.join(".*")}$`).test(value);
      expect(compileRowFilter(`t = "${pieces.join("*")}"`)({ t: value })).toBe(expected);
    }),
  );
});

test("a field name never reaches inherited properties of the row", () => {
  for (const path of ["constructor.name", "__proto__.constructor", "note.length", "tags.length"]) {
    expect(compileRowFilter(`${path} : *`)(row)).toBe(false);
  }
});
