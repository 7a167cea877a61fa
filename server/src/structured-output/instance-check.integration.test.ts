import { expect, test } from "vitest";
import { fitsSchema } from "./instance-check.ts";

const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const patterned = { ...city, properties: { city: { type: "string", pattern: "^[A-Z]" } } };

test.each<[boolean, string, object]>([
  [true, '{"city": "Zug"}', city],
  [false, '"Zug"', city],
  [false, "{}", city],
  [false, '{"city": 1}', city],
  [false, '{"city": "Zug"', city],
  [true, '{"city": "Zug"}', patterned],
  [false, '{"city": "zug"}', patterned],
  [true, "{}", { type: "object", properties: { a: { $ref: "elsewhere.json" } } }],
])("the check gives %s for %s", async (fits, text, schema) => {
  expect(await fitsSchema(text, schema)).toBe(fits);
});
