import { randomBytes } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { bigint, boolean, doublePrecision, jsonb, pgTable, text } from "drizzle-orm/pg-core";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import type { CheckedFilter, FilterTest } from "../../lib/filter-check.ts";
import { openDatabase } from "./database.ts";
import { filterSql } from "./filter-sql.ts";
import { createListing, type List, type ListField, type ListQuery } from "./listing.ts";

const things = pgTable("things", {
  accountId: text("account_id").notNull(),
  id: text().notNull(),
  displayName: text("display_name"),
  state: text(),
  size: bigint({ mode: "number" }),
  score: doublePrecision(),
  public: boolean(),
  // PostgreSQL's text, because a Date has no microseconds.
  createTime: text("create_time").notNull(),
  spec: jsonb().$type<{ window?: string; tags?: string[]; labels?: Record<string, string> }>().notNull(),
});
type Thing = typeof things.$inferSelect;

const STATES = ["READY", "FAILED"];
const FIELDS: Record<string, ListField> = {
  name: { sql: sql`('things/' || ${things.id})`, type: "string", orderBy: things.id },
  displayName: { sql: things.displayName, type: "string" },
  state: { sql: things.state, type: "enum", values: STATES },
  size: { sql: things.size, type: "int" },
  score: { sql: things.score, type: "number" },
  public: { sql: things.public, type: "boolean" },
  createTime: { sql: things.createTime, type: "timestamp" },
  window: { sql: sql`(${things.spec} ->> 'window')`, type: "duration" },
  tags: { sql: sql`(${things.spec} -> 'tags')`, type: "strings" },
  labels: { sql: sql`(${things.spec} -> 'labels')`, type: "map" },
};

let database: TestDatabase;
let list: List<Thing>;

beforeAll(async () => {
  database = await testDatabase();
  // Set the collation, because the tests compare with JavaScript's order.
  await database.sql.unsafe(`
    create table things (account_id text not null, id text collate "C" not null, display_name text collate "C", state text,
      size bigint, score double precision, public boolean, create_time timestamptz not null, spec jsonb not null,
      primary key (account_id, id));
    create index on things (account_id, create_time desc, id desc);
    select keep_listing_counts('things', 'account_id')`);
  list = createListing({
    db: database.db,
    table: things,
    fields: FIELDS,
    key: things.id,
    defaultOrder: "createTime desc",
    tokenSecret: randomBytes(32),
  });
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.sql`truncate things`;
});

const at = (micros: number): string => `2026-01-31T00:00:00.${String(micros).padStart(6, "0")}Z`;

const thing = (id: string, overrides: Partial<Thing> = {}): Thing => ({
  accountId: "a",
  id,
  displayName: null,
  state: null,
  size: null,
  score: null,
  public: null,
  createTime: at(0),
  spec: {},
  ...overrides,
});
const insert = (...rows: Thing[]): Promise<unknown> => database.db.insert(things).values(rows);
const where = eq(things.accountId, "a");

/** Reads all pages. @returns the ids in order, and the totalSize of each page. */
async function walk(
  query: ListQuery,
  between = async (): Promise<void> => {},
): Promise<{ ids: string[]; totals: number[] }> {
  const ids: string[] = [];
  const totals: number[] = [];
  for (let pageToken = ""; ; ) {
    const page = await list({ ...query, pageToken }, where, "a");
    ids.push(...page.rows.map((row) => row.id));
    totals.push(page.totalSize);
    pageToken = page.nextPageToken;
    if (pageToken === "") return { ids, totals };
    await between();
  }
}

const name = fc.string({ unit: fc.constantFrom("a", "b", "A", "%", "_", "\\", "*", "é", " "), maxLength: 4 });
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.option(value, { nil: null, freq: 3 });
const rows = fc
  .uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z]{1,3}$/),
      displayName: orNull(name),
      state: orNull(fc.constantFrom(...STATES)),
      size: orNull(fc.constantFrom(-5, 0, 1, 2 ** 50)),
      score: orNull(fc.constantFrom(-1.5, 0, 0.1, 1e300)),
      public: orNull(fc.boolean()),
      createTime: fc.integer({ min: 0, max: 3 }).map(at),
      spec: fc.record(
        {
          window: fc.constantFrom("0s", "0.5s", "9s", "600s"),
          tags: fc.array(name, { maxLength: 2 }),
          labels: fc.dictionary(fc.constantFrom("k", "a b", "*"), name, { noNullPrototype: true }),
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
    }),
    { selector: (row) => row.id, maxLength: 15 },
  )
  .map((list) => list.map((row): Thing => ({ accountId: "a", ...row })));

describe("filters", () => {
  const order = fc.constantFrom("=" as const, "<" as const, "<=" as const, ">" as const, ">=" as const);
  const pieces = fc.array(name, { minLength: 1, maxLength: 3 });
  const textTest = fc.oneof(
    fc.record({ kind: fc.constant("text" as const), pieces, contains: fc.boolean() }),
    fc.record({
      kind: fc.constant("value" as const),
      comparator: order.filter((o) => o !== "="),
      value: name,
    }),
  );
  const valueTest = (
    values: (string | number | boolean)[],
    comparator: fc.Arbitrary<"=" | "<" | "<=" | ">" | ">="> = order,
  ) => fc.record({ kind: fc.constant("value" as const), comparator, value: fc.constantFrom(...values) });
  const equal = fc.constant("=" as const);
  const present = fc.constant<FilterTest>({ kind: "present" });
  const tests: Record<string, fc.Arbitrary<FilterTest>> = {
    displayName: textTest,
    state: valueTest(STATES, equal),
    size: valueTest(["-5", "0", "1", String(2 ** 50), "9223372036854775807"]),
    score: valueTest([-1.5, 0, 0.1, 1e300]),
    public: valueTest([true, false], equal),
    createTime: valueTest([at(0), at(1), at(2)]),
    window: valueTest([0, 500, 9_000, 10_000]),
    tags: name.map((text) => ({ kind: "member", text })),
  };
  const leaf: fc.Arbitrary<CheckedFilter> = fc.oneof(
    ...Object.entries(tests).map(([field, own]) =>
      fc.record({
        op: fc.constant("test" as const),
        field: fc.constant(field),
        key: fc.constant(null),
        test: fc.oneof(own, present),
      }),
    ),
    fc.record({
      op: fc.constant("test" as const),
      field: fc.constant("labels"),
      key: fc.constant(null),
      test: present,
    }),
    fc.record({
      op: fc.constant("test" as const),
      field: fc.constant("labels"),
      key: fc.constantFrom("k", "a b", "*", "none"),
      test: fc.oneof(textTest, present),
    }),
  );
  const { filter } = fc.letrec<{ filter: CheckedFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.record({
        op: fc.constantFrom("and" as const, "or" as const),
        terms: fc.array(tie("filter"), { minLength: 2, maxLength: 3 }),
      }),
      fc.record({ op: fc.constant("not" as const), term: tie("filter") }),
    ),
  }));

  test("match the same rows in PostgreSQL as in memory, whatever their kind", async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.array(filter, { minLength: 1, maxLength: 10 }), async (all, filters) => {
        await database.sql`truncate things`;
        if (all.length > 0) await insert(...all);
        for (const text of filters) {
          const found = await database.db
            .select({ id: things.id })
            .from(things)
            .where(filterSql(text, FIELDS));
          const expected = all.filter((row) => passes(row, text)).map((row) => row.id);
          expect(found.map((row) => row.id).sort(), JSON.stringify(text)).toEqual(expected.sort());
        }
      }),
      { numRuns: 100 },
    );
  });

  test("work as clients write them", async () => {
    await insert(
      thing("a", {
        state: "READY",
        displayName: "Llama",
        size: 7,
        spec: { labels: { team: "x" }, tags: ["t"] },
      }),
      thing("b", { state: "FAILED", displayName: "llama 2", createTime: at(5) }),
      thing("c"),
    );
    const matchingIds = async (text: string): Promise<string> =>
      (await walk({ filter: text, orderBy: "name" })).ids.join("");
    expect(await matchingIds("state = READY")).toBe("a");
    expect(await matchingIds("state != READY")).toBe("bc");
    expect(await matchingIds('display_name:"LLAMA"')).toBe("ab");
    expect(await matchingIds("displayName = *2 OR size > 6 AND NOT labels.team = y")).toBe("ab");
    expect(await matchingIds(`createTime > ${at(4)}`)).toBe("b");
    expect(await matchingIds('name = "things/c"')).toBe("c");
    expect(await matchingIds("tags:t labels:team")).toBe("a");
    expect(await matchingIds("")).toBe("abc");
  });

  test("pass every value as a parameter, never as SQL", async () => {
    await insert(thing("a", { displayName: "'; drop table things; --" }), thing("b"));
    const filters = [
      `displayName = "'; drop table things; --"`,
      `labels."'); drop table things; --":*`,
      `tags:"'}"`,
    ];
    const found = await Promise.all(filters.map((text) => walk({ filter: text })));
    expect(found.map(({ ids }) => ids)).toEqual([["a"], [], []]);
  });
});

/** Reference implementation of filters, without SQL. */
function passes(row: Thing, filter: CheckedFilter): boolean {
  if (filter.op === "not") return !passes(row, filter.term);
  if (filter.op !== "test") {
    return filter.op === "and"
      ? filter.terms.every((term) => passes(row, term))
      : filter.terms.some((term) => passes(row, term));
  }
  const { window, tags, labels } = row.spec;
  const values: Record<string, unknown> = { ...row, window, tags, labels };
  const value = filter.key === null ? values[filter.field] : labels?.[filter.key];
  return meets(filter.field, filter.key !== null, value ?? null, filter.test);
}

function meets(field: string, isKey: boolean, value: unknown, test: FilterTest): boolean {
  if (test.kind === "present") {
    if (isKey) return value !== null;
    if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
    return value !== null && value !== "" && value !== false;
  }
  if (test.kind === "member") return (value as string[] | null)?.includes(test.text) ?? false;
  if (test.kind === "text") {
    const { pieces, contains } = test;
    if (!contains && pieces.length === 1 && pieces[0] === "") return value === null || value === "";
    if (value === null) return false;
    const pattern = pieces
      .map((piece) => piece.replace(/[^a-z]/gi, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`))
      .join(".*");
    return new RegExp(contains ? pattern : `^${pattern}$`, contains ? "isu" : "su").test(value as string);
  }
  if (typeof test.value === "boolean") return (value ?? false) === test.value;
  if (value === null) return false;
  const [own, other] =
    field === "window"
      ? [Number((value as string).slice(0, -1)) * 1000, test.value as number]
      : field === "size"
        ? [BigInt(value as number), BigInt(test.value)]
        : [value as string | number, test.value];
  const sign = own < other ? -1 : own > other ? 1 : 0;
  return { "=": sign === 0, "<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0 }[test.comparator];
}

describe("pages", () => {
  const orders = fc.uniqueArray(
    fc.record({
      field: fc.constantFrom(
        "name",
        "displayName",
        "state",
        "size",
        "score",
        "public",
        "createTime",
        "window",
      ),
      descending: fc.boolean(),
    }),
    { selector: (term) => term.field, minLength: 1, maxLength: 3 },
  );

  test("contain every row once and in order, also with absent values and mixed directions", async () => {
    await fc.assert(
      fc.asyncProperty(rows, orders, fc.integer({ min: 1, max: 6 }), async (all, terms, pageSize) => {
        await database.sql`truncate things`;
        if (all.length > 0) await insert(...all);
        const orderBy = terms.map(({ field, descending }) => field + (descending ? " desc" : "")).join(",");
        const { ids, totals } = await walk({ orderBy, pageSize });
        expect(ids).toEqual(sorted(all, terms).map((row) => row.id));
        expect(new Set(totals)).toEqual(new Set([all.length]));
      }),
      { numRuns: 100 },
    );
  });

  test("neither repeat nor miss a row while other rows are inserted and deleted", async () => {
    const change = fc.record({
      insert: fc.array(fc.stringMatching(/^x[a-z]{3}$/), { maxLength: 3 }),
      remove: fc.nat(20),
    });
    await fc.assert(
      fc.asyncProperty(
        rows,
        orders,
        fc.array(change, { minLength: 1, maxLength: 8 }),
        async (all, terms, changes) => {
          await database.sql`truncate things`;
          if (all.length > 0) await insert(...all);
          const removed = new Set<string>();
          const left = [...changes];
          const orderBy = terms.map(({ field, descending }) => field + (descending ? " desc" : "")).join(",");
          const { ids } = await walk({ orderBy, pageSize: 2 }, async () => {
            const next = left.pop();
            const gone = all[next?.remove ?? all.length];
            if (gone !== undefined) {
              removed.add(gone.id);
              await database.db.delete(things).where(eq(things.id, gone.id));
            }
            for (const id of next?.insert ?? []) {
              await database.db
                .insert(things)
                .values(thing(id, { createTime: at(2) }))
                .onConflictDoNothing();
            }
          });
          expect(new Set(ids).size).toBe(ids.length);
          const stayed = new Set(all.map((row) => row.id).filter((id) => !removed.has(id)));
          expect(ids.filter((id) => stayed.has(id))).toEqual(
            sorted(all, terms)
              .map((row) => row.id)
              .filter((id) => stayed.has(id)),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test("have 50 rows by default and at most 200", async () => {
    await insert(...Array.from({ length: 230 }, (_, i) => thing(`t${i}`)));
    const sizeOf = async (pageSize?: number): Promise<number> =>
      (await list(pageSize === undefined ? {} : { pageSize }, where, "a")).rows.length;
    expect(
      await Promise.all([sizeOf(), sizeOf(0), sizeOf(1), sizeOf(200), sizeOf(201), sizeOf(2 ** 40)]),
    ).toEqual([50, 50, 1, 200, 200, 200]);
    await expect(sizeOf(-1)).rejects.toMatchObject({ code: "BAD_REQUEST", param: "pageSize" });
  });

  test("contain only rows of the scope", async () => {
    await insert(thing("mine"), { ...thing("theirs"), accountId: "b" });
    expect((await walk({})).ids).toEqual(["mine"]);
  });

  test("need a token of the same scope, filter and order, but may have another size", async () => {
    await insert(...["a", "b", "c", "d"].map((id) => thing(id, { size: 1 })));
    const query = { pageSize: 1, filter: "size = 1", orderBy: "name" };
    const { nextPageToken: pageToken } = await list(query, where, "a");
    const next = await list({ ...query, pageToken, pageSize: 2 }, where, "a");
    expect(next.rows.map((row) => row.id)).toEqual(["b", "c"]);
    const refused = { code: "BAD_REQUEST", param: "pageToken" };
    await expect(list({ ...query, pageToken, filter: "size = 2" }, where, "a")).rejects.toMatchObject(
      refused,
    );
    await expect(list({ ...query, pageToken, orderBy: "name desc" }, where, "a")).rejects.toMatchObject(
      refused,
    );
    await expect(list({ ...query, pageToken }, where, "b")).rejects.toMatchObject(refused);
    await expect(list({ ...query, pageToken: `${pageToken}A` }, where, "a")).rejects.toMatchObject(refused);
  });

  test.each([
    [{ filter: "nope = 1" }, "filter"],
    [{ orderBy: "nope" }, "orderBy"],
    [{ orderBy: "tags" }, "orderBy"],
    [{ pageToken: "x" }, "pageToken"],
  ])("are refused for the invalid query %j with the name of the parameter", async (query, param) => {
    await expect(list(query, where, "a")).rejects.toMatchObject({ code: "BAD_REQUEST", param });
  });
});

test("a list that exceeds the statement timeout answers DEADLINE_EXCEEDED", async () => {
  await insert(thing("a"));
  const hurried = await openDatabase({ url: database.url, log: silentLog, statementTimeoutMs: 100 });
  const slow = createListing({
    db: hurried.db,
    table: things,
    fields: { ...FIELDS, slow: { sql: sql`(select pg_sleep(600)::text)`, type: "string" } },
    key: things.id,
    defaultOrder: "createTime desc",
    tokenSecret: randomBytes(32),
  });
  await expect(slow({ filter: "slow = x" }, where, "a")).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await hurried.close();
});

function sorted(all: readonly Thing[], terms: readonly { field: string; descending: boolean }[]): Thing[] {
  const fieldOf = (row: Thing, field: string): string | number | boolean | null => {
    if (field === "name") return row.id;
    if (field === "window")
      return row.spec.window === undefined ? null : Number(row.spec.window.slice(0, -1));
    return row[field as "size"];
  };
  const compare = (x: string | number | boolean | null, y: string | number | boolean | null): number => {
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0);
    return x < y ? -1 : x > y ? 1 : 0;
  };
  const withKey = [...terms, { field: "name", descending: terms.at(-1)!.descending }];
  return [...all].sort((x, y) => {
    for (const { field, descending } of withKey) {
      const sign = compare(fieldOf(x, field), fieldOf(y, field));
      if (sign !== 0) return descending ? -sign : sign;
    }
    return 0;
  });
}

describe("totalSize", () => {
  const total = async (query: ListQuery, countKey?: string): Promise<number> =>
    (await list(query, where, "a", countKey)).totalSize;

  test("follows every way in which rows are inserted and deleted", async () => {
    const stored = (): Promise<number> => total({ pageSize: 1 }, "a");
    expect(await stored()).toBe(0);
    await insert(thing("a"), thing("b"), { ...thing("c"), accountId: "b" });
    expect(await stored()).toBe(2);
    await database.db
      .insert(things)
      .values([thing("a"), thing("d")])
      .onConflictDoNothing();
    expect(await stored()).toBe(3);
    await database.db.delete(things).where(eq(things.id, "a"));
    expect(await stored()).toBe(2);
    await database.db.transaction(async (tx) => {
      await tx.insert(things).values(thing("e"));
      expect(await stored()).toBe(2);
    });
    expect(await stored()).toBe(3);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => insert(thing(`p${i}`), { ...thing(`p${i}`), accountId: "b" })),
    );
    expect(await stored()).toBe(23);
    await database.db.delete(things);
    expect(await stored()).toBe(0);
    await insert(thing("a"));
    await database.sql`truncate things`;
    expect(await stored()).toBe(0);
  });

  test("is the same on all pages as on the first", async () => {
    await insert(...["a", "b", "c", "d"].map((id) => thing(id)));
    const { totals } = await walk({ pageSize: 1 }, async () => {
      await insert(thing(`x${randomBytes(4).toString("hex")}`, { createTime: at(9) }));
    });
    expect(totals).toEqual([4, 4, 4, 4]);
  });

  test("is exact in lists of up to 5,000 rows, with or without a filter", async () => {
    await fill(5_000);
    for (const countKey of ["a", undefined]) {
      expect(await total({}, countKey)).toBe(5_000);
      expect(await total({ filter: "size <= 4321" }, countKey)).toBe(4_321);
    }
  });

  test("is exact in larger lists without a filter, and with one an estimate that is at least the rows seen", async () => {
    await fill(15_000);
    expect(await total({}, "a")).toBe(15_000);
    // At the second time the list is known to be large.
    for (let i = 0; i < 2; i += 1) {
      const estimate = await total({ filter: "size > 5000" }, "a");
      expect(estimate).toBeGreaterThan(9_000);
      expect(estimate).toBeLessThan(11_000);
    }
    expect(await total({ filter: "displayName = x OR size > 0", pageSize: 200 }, "a")).toBeGreaterThan(200);
    expect(await total({ filter: "size <= 7" }, "a")).toBe(7);
  });

  const fill = async (count: number): Promise<void> => {
    await database.sql`insert into things (account_id, id, size, create_time, spec)
      select 'a', 't' || i, i, '2026-01-01', '{}' from generate_series(1, ${count}::int) as i`;
    await database.sql`analyze things`;
  };
});
