import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CASE_NAMES, digest, renderCases, storedDigests, TEMPLATE_NAMES } from "./corpus-fixture.ts";
import { TemplateError, TemplateSyntaxError } from "./errors.ts";
import { Template } from "./template.ts";

const now = new Date(2025, 2, 7, 9, 5, 3);
const render = (source: string, variables: Record<string, unknown> = {}): string =>
  new Template(source).render(variables, { now });

describe("a template of the corpus", () => {
  test.each(TEMPLATE_NAMES)("%s renders every conversation as Python's Jinja2 does", (name) => {
    const digests = renderCases(name).map(digest);
    const byCase = (values: readonly string[]) => CASE_NAMES.map((title, i) => `${title}: ${values[i]}`);
    expect(byCase(digests)).toEqual(byCase(storedDigests(name)));
  });

  test("has many sisters", () => {
    expect(TEMPLATE_NAMES.length).toBeGreaterThanOrEqual(60);
  });
});

describe("a template", () => {
  test.each([
    ["strips only the characters that it names", "{{ '\\n\\n  x'.lstrip('\\n') }}", "  x"],
    ["reads CRLF as one line break", "{% if true %}\r\na\r\n{% endif %}\r\nb", "a\nb"],
    ["has objects with whole numbers as keys", "{{ {1: 'one', 2: 'two'}[2] }}", "two"],
    [
      "filters what is None or undefined",
      "{{ none | trim }}|{{ x | upper }}|{{ x | selectattr('a') | list }}",
      "None||[]",
    ],
    ["finds lists in lists", "{{ [1] in [[1], [2]] }}", "True"],
    ["prints values as Python does", "{{ [true, none, 'a', 1.5] }}", "[True, None, 'a', 1.5]"],
    [
      "keeps what a loop sets within its turn",
      "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{% endfor %}",
      "11",
    ],
    ["keeps the text before break", "{% for i in [1] %}a{% break %}{% endfor %}", "a"],
    [
      "gives tests arguments",
      "{{ 4 is divisibleby(2) }} {{ 4 is not in [1] }} {{ 'a' is eq 'a' }}",
      "True True True",
    ],
  ])("%s", (_what, source, text) => {
    expect(render(source)).toBe(text);
  });

  test("tells the text of raise_exception from other failures", () => {
    const failure = (source: string): unknown => {
      try {
        return render(source);
      } catch (error) {
        return error;
      }
    };
    expect(failure("{{ raise_exception('Only ' ~ 2 ~ ' roles') }}")).toMatchObject({
      message: "Only 2 roles",
      raised: true,
    });
    expect(failure("{{ x.y }}")).toMatchObject({ message: "'x' is undefined", raised: false });
  });

  test("can't change what it is given", () => {
    const messages = [{ role: "user" }];
    for (const change of ["messages.append(1)", "messages[0].update({})", "messages.pop()"]) {
      expect(() => render(`{{ ${change} }}`, { messages })).toThrow(/not allowed/);
    }
  });

  test.each(["{% for %}", "{{ 1 +", "{% if x %}", "{{ x | }}", "{% unknown %}", "{{ ) }}", "{#"])(
    "with the source %j is refused as no template",
    (source) => {
      expect(() => new Template(source)).toThrow(TemplateSyntaxError);
    },
  );

  test.each([
    ["loops", "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"],
    ["recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"],
    [
      "a text",
      "{% set n = namespace(s='0123456789') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    ],
    ["a list", "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}"],
    ["replacing", "{% set a = 'a' * 1000000 %}{{ a | replace('a', a) }}"],
    [
      "a nesting",
      `{% set n = namespace(a=[1]) %}${"{% set n.a = [n.a, n.a] %}".repeat(60)}{{ n.a | tojson }}`,
    ],
    ["a range", "{{ range(10000000) | list }}"],
  ])("with endless %s fails and ends", (_what, source) => {
    expect(() => new Template(source).render({}, { now, maxWork: 200_000 })).toThrow(TemplateError);
  });

  test("of any pieces of syntax gives text, a syntax error or a failure, and nothing else", () => {
    const piece = fc.constantFrom(
      ..."{{ }} {% %} {# #} - + ~ * // % ** ( ) [ ] { } , . : | = == < in is not if else elif endif for endfor set macro".split(
        " ",
      ),
      ..."endmacro messages x role 'a' \"b\" 1 2.5 none true length trim join tojson defined items loop \\ \n".split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          const text = new Template(pieces.join(" ")).render(
            { messages: [{ role: "user" }] },
            { now, maxWork: 10_000 },
          );
          expect(typeof text).toBe("string");
        } catch (error) {
          expect(error instanceof TemplateSyntaxError || error instanceof TemplateError, String(error)).toBe(
            true,
          );
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("renders the texts of messages as they are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (content) => {
        expect(render("{{ m.content }}", { m: { content } })).toBe(content);
      }),
    );
  });
});
