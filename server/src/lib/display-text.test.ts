import { expect, test } from "vitest";
import { checkAnnotations, checkDisplayName, checkText } from "./display-text.ts";
import { AppError } from "./errors.ts";

function refusal(check: () => void): AppError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

test("a display name may use any script and have up to 63 characters", () => {
  for (const name of [
    "",
    "Alice",
    "Łukasz Müller",
    "山田太郎",
    "نام کاربر",
    "👩‍👩‍👧",
    "x".repeat(63),
    "😀".repeat(63),
  ]) {
    expect(
      refusal(() => checkDisplayName("displayName", name)),
      name,
    ).toBeNull();
  }
});

test.each([
  ["too long", "x".repeat(64)],
  ["too long in code points", "😀".repeat(64)],
  ["far too long", "x".repeat(10_000_000)],
  ["NUL", "a\u0000b"],
  ["a line break", "a\nb"],
  ["an escape sequence", "\u001b[2J"],
  ["text that runs backwards", "nimda\u202enoitcudorp"],
  ["an isolate", "a\u2066b"],
  ["half of a pair", "a\ud800"],
  ["a line separator", "a\u2028b"],
  ["a byte order mark", "\ufeffa"],
])("a display name with %s is refused with the name of its field", (_reason, name) => {
  expect(refusal(() => checkDisplayName("displayName", name))).toMatchObject({
    code: "BAD_REQUEST",
    param: "displayName",
  });
});

test("a text may have several lines but no other control characters", () => {
  expect(refusal(() => checkText("description", "a\n\tb\r\n", 999))).toBeNull();
  expect(refusal(() => checkText("description", "a\u0000", 999))?.param).toBe("description");
  expect(refusal(() => checkText("description", "x".repeat(1_000), 999))?.param).toBe("description");
});

test("annotations are limited in number and size", () => {
  expect(refusal(() => checkAnnotations("annotations", { team: "search\nrank" }))).toBeNull();
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ""]));
  for (const wrong of [
    many,
    { "": "x" },
    { ["k".repeat(64)]: "" },
    { k: "v".repeat(1_001) },
    { "k\u0000": "" },
  ]) {
    expect(refusal(() => checkAnnotations("annotations", wrong))?.param).toBe("annotations");
  }
});
