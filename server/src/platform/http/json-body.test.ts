import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AppError } from "../../lib/errors.ts";
import { parseJson } from "./json-body.ts";

const refusalOf = (text: string | Buffer): AppError => {
  try {
    parseJson(Buffer.from(text as string));
  } catch (error) {
    return error as AppError;
  }
  throw new Error("was accepted");
};

describe("JSON bodies", () => {
  test("any JSON value without unpaired surrogates is parsed unchanged", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test("any bytes give a value or BAD_REQUEST", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          parseJson(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).code).toBe("BAD_REQUEST");
        }
      }),
    );
  });

  test.each([
    ['{"messages":[{"content":"\\ud83d"}]}', "messages[0].content"],
    ['{"a":{"\\udc00":1}}', "a"],
    ['"\\udfff"', "body"],
  ])("an unpaired surrogate is refused with its field's name: %s", (text, param) => {
    expect(refusalOf(text)).toMatchObject({ code: "BAD_REQUEST", param });
  });

  test("a surrogate pair, escaped or not, is accepted", () => {
    expect(parseJson(Buffer.from('["\\ud83d\\ude00","😀"]'))).toEqual(["😀", "😀"]);
  });

  test("bytes that are not UTF-8 are refused, not replaced", () => {
    expect(refusalOf(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ code: "BAD_REQUEST", param: "body" });
  });

  test("nesting that would exhaust the stack is refused", () => {
    const deep = `${"[".repeat(100_000)}"\\ud83d"${"]".repeat(100_000)}`;
    expect(refusalOf(deep)).toMatchObject({ code: "BAD_REQUEST" });
  });

  test("the error message for malformed JSON quotes nothing of the body", () => {
    expect(refusalOf('{"secret": sesame}').message).not.toMatch(/sesame|secret/);
  });
});
