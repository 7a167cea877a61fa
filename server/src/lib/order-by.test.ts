import { describe, expect, test } from "vitest";
import { parseOrderBy } from "./order-by.ts";

const fields = new Set(["createTime", "displayName", "details.count", "a", "b", "c"]);
const up = (field: string) => ({ field, descending: false });
const down = (field: string) => ({ field, descending: true });

describe("orderBy", () => {
  test.each([
    ["createTime", [up("createTime")]],
    ["create_time desc", [down("createTime")]],
    [" displayName  asc , details.count desc ", [up("displayName"), down("details.count")]],
  ])("accepts %j", (text, expected) => {
    expect(parseOrderBy(text, fields)).toEqual(expected);
  });

  test.each([
    "",
    ",",
    "createTime,",
    "nope",
    "details",
    "createTime DESC",
    "createTime down",
    "createTime desc desc",
    "createTime;drop table",
    "createTime,create_time desc",
    "a,b,c,createTime,displayName,details.count",
    "a,".repeat(10_000),
    "constructor",
  ])("refuses %.30j", (text) => {
    expect(() => parseOrderBy(text, fields)).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST", param: "orderBy" }),
    );
  });
});
