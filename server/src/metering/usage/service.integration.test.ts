import { appendFileSync, cpSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Database } from "../../platform/db/database.ts";
import { ownIdentity } from "../../platform/process/identity.ts";
import {
  createUsageLedger,
  type UsageEnd,
  type UsageLedger,
  type UsageLedgerOptions,
  type UsageSource,
} from "./service.ts";

let database: TestDatabase;
let root: string;
let folders = 0;
beforeAll(async () => {
  database = await testDatabase();
  root = mkdtempSync(join(tmpdir(), "hearth-usage-"));
});
afterAll(async () => {
  await database.drop();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => database.sql`truncate usage_records`.then(() => {}));

const DEAD = { ...ownIdentity(), pid: 2 ** 30, startedAt: "long ago" };
const OK: UsageEnd = { outcome: "ok", status: 200, durationMs: 12.34 };

interface Request extends UsageSource {
  model: string;
  replica: string | null;
  promptTokens: number;
  completionTokens: number;
}

function request(changes: Partial<Request> = {}): Request {
  return {
    id: uuidv7Hex(Date.UTC(2026, 0, 1)),
    accountId: "acme",
    keyId: "key1",
    userId: "user1",
    deployment: "",
    kind: "text",
    pricedAs: "",
    quantity: 0,
    endpoint: "chat.completions",
    model: "accounts/fireworks/models/tiny",
    replica: "r1",
    promptTokens: 7,
    cachedTokens: 3,
    completionTokens: 5,
    timeToFirstTokenMs: 1.25,
    startedAtMs: Date.UTC(2026, 0, 1),
    ...changes,
  };
}

function freshFolder(): string {
  return join(root, String(folders++));
}

function open(options: Partial<UsageLedgerOptions> = {}): {
  ledger: UsageLedger;
  clock: FakeClock;
  folder: string;
} {
  const clock = new FakeClock();
  const folder = options.folder ?? freshFolder();
  const ledger = createUsageLedger({ database, clock, log: silentLog, folder, identity: DEAD, ...options });
  return { ledger, clock, folder };
}

function closed(ledger: UsageLedger, row: UsageSource, end: UsageEnd = OK): Promise<void> {
  return new Promise((resolve) => ledger.close(row, end, resolve));
}

async function idsInTable(): Promise<string[]> {
  const rows = await database.sql`select replace(id::text, '-', '') as id from usage_records order by id`;
  return rows.map((row) => String(row["id"]));
}

/** A database whose calls fail, while `down` is true, as if the server were gone. */
function breakable(): { database: Pick<Database, "sql" | "db">; state: { down: boolean } } {
  const state = { down: false };
  const sql = ((...args: Parameters<typeof database.sql>) => {
    if (state.down) return Promise.reject(Object.assign(new Error("gone"), { code: "ECONNREFUSED" }));
    return database.sql(...args);
  }) as unknown as Database["sql"];
  return { database: { sql, db: database.db }, state };
}

describe("the usage ledger", () => {
  test("writes one row with all fields for each closed request", async () => {
    const { ledger } = open();
    const record = request();
    ledger.open(record);
    await closed(ledger, record);
    await ledger.flush();
    const { pricedAs, ...row } = record;
    expect(await ledger.list({ accountId: "acme" })).toEqual([{ ...row, ...OK, costMicros: 0n }]);
    await ledger.shutDown();
  });

  test("summarizes the requests of the given replicas since the given time", async () => {
    const { ledger } = open();
    const at = Date.UTC(2026, 0, 1);
    const of = (changes: Partial<Request & UsageSource>, end: UsageEnd = OK) => {
      const row = request({ ...changes, id: uuidv7Hex(at) });
      ledger.open(row);
      return closed(ledger, row, end);
    };
    await of({ replica: "a_1/replicas/0" });
    await of(
      { replica: "a_1/replicas/1", timeToFirstTokenMs: null },
      { ...OK, outcome: "error", durationMs: 99 },
    );
    await of({ replica: "ax1/replicas/0" });
    // Replica time must not count as a request.
    await of({ replica: "a_1/replicas/0", kind: "cpu_seconds", quantity: 60_000 });
    await of({ replica: null });
    await of({ replica: "a_1/replicas/0", startedAtMs: at - 1 });
    await ledger.flush();
    expect(await ledger.summarize("a_1/", at)).toEqual({
      requests: 2,
      errors: 1,
      promptTokens: 14,
      cachedPromptTokens: 6,
      generatedTokens: 10,
      timeToFirstTokenMeanMs: 1.25,
      durationMeanMs: 12.34,
    });
    expect(await ledger.summarize("nobody/", at)).toMatchObject({ requests: 0, durationMeanMs: null });
  });

  test("acknowledges a request only after its row is in the spool", async () => {
    const { ledger, folder } = open();
    const record = request();
    ledger.open(record);
    let acknowledged = false;
    ledger.close(record, OK, () => {
      acknowledged = true;
    });
    expect(acknowledged).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(acknowledged).toBe(true);
    const survivor = open({ folder: crash(folder) });
    await survivor.ledger.flush();
    expect(await idsInTable()).toEqual([record.id]);
  });

  test("writes one row when a request is closed twice and none when it was never opened, and calls back each time", async () => {
    const { ledger } = open();
    const record = request();
    ledger.open(record);
    await Promise.all([
      closed(ledger, record),
      closed(ledger, record, { ...OK, outcome: "error" }),
      closed(ledger, request()),
    ]);
    await ledger.flush();
    expect((await ledger.list({})).map((row) => row.outcome)).toEqual(["ok"]);
  });

  test("runs all callbacks even if one of them throws", async () => {
    const { ledger } = open();
    const [record, two] = [request(), request()];
    ledger.open(record);
    ledger.open(two);
    ledger.close(record, OK, () => {
      throw new Error("socket gone");
    });
    await closed(ledger, two);
    await ledger.flush();
    expect(await idsInTable()).toEqual([record.id, two.id].sort());
  });

  test("leaves an interrupted row for an announced stream when the process dies at once", async () => {
    const { ledger, folder } = open();
    const stream = request({ completionTokens: 0 });
    ledger.open(stream);
    await new Promise<void>((resolve) => ledger.ensureOpened(stream, resolve));
    const survivor = open({ folder: crash(folder) });
    await survivor.ledger.flush();
    expect(await survivor.ledger.list({})).toMatchObject([
      { id: stream.id, outcome: "interrupted", completionTokens: 0 },
    ]);
  });

  test("records the tokens of the last checkpoint for an interrupted request", async () => {
    const { ledger, clock, folder } = open();
    const stream = request({ completionTokens: 1 });
    ledger.open(stream);
    for (const tokens of [10, 20, 30]) {
      stream.completionTokens = tokens;
      clock.advance(100);
    }
    stream.completionTokens = 33;
    const survivor = open({ folder: crash(folder) });
    await survivor.ledger.flush();
    expect(await survivor.ledger.list({})).toMatchObject([
      { id: stream.id, outcome: "interrupted", completionTokens: 30 },
    ]);
  });

  test("finds an open request after a crash even if its first segment was already moved to the database", async () => {
    const { ledger, clock, folder } = open();
    const stream = request();
    ledger.open(stream);
    clock.advance(100);
    const other = request();
    ledger.open(other);
    await closed(ledger, other);
    await ledger.flush();
    const survivor = open({ folder: crash(folder) });
    await survivor.ledger.flush();
    expect(await idsInTable()).toEqual([stream.id, other.id].sort());
  });

  test("keeps rows in the spool while the database is down and writes them when it is back", async () => {
    const { database: fragile, state } = breakable();
    const { ledger, clock } = open({ database: fragile });
    state.down = true;
    const rows = Array.from({ length: 50 }, () => request());
    for (const [i, row] of rows.entries()) {
      ledger.open(row);
      await closed(ledger, row);
      clock.advance(100);
      // Each failed flush leaves one more segment, and only the first few stay in memory.
      if (i % 5 === 0) await expect(ledger.flush()).rejects.toThrow("gone");
    }
    expect(ledger.stats()).toMatchObject({ pendingRows: 50, accepting: true });
    state.down = false;
    await ledger.flush();
    expect(ledger.stats()).toMatchObject({ pendingRows: 0, spoolSizeBytes: 0 });
    expect(await idsInTable()).toEqual(rows.map((row) => row.id).sort());
  });

  test("refuses requests with 503 while the spool is full, but lets those in flight end, and recovers", async () => {
    const { database: fragile, state } = breakable();
    const { ledger } = open({ database: fragile, maxSpoolBytes: 1_000 });
    state.down = true;
    const inFlight = Array.from({ length: 20 }, () => request());
    for (const row of inFlight) ledger.open(row);
    for (const row of inFlight.slice(1)) await closed(ledger, row);
    let refusal: unknown;
    try {
      ledger.open(request());
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(AppError);
    expect(refusal).toMatchObject({ code: "UNAVAILABLE", retryAfterS: 5 });
    await closed(ledger, inFlight[0]!);
    state.down = false;
    await ledger.flush();
    ledger.open(request());
    expect(await idsInTable()).toEqual(inFlight.map((row) => row.id).sort());
  });

  test("refuses requests and delays acknowledgements while the spool can't be written, and acknowledges them later", async () => {
    const { ledger, clock, folder } = open();
    const record = request();
    ledger.open(record);
    renameSync(folder, `${folder}-away`);
    // The next segment can't be created, so nothing counts as written from here on.
    await expect(ledger.flush()).rejects.toThrow(/can't be written/);
    expect(() => ledger.open(request())).toThrow(AppError);
    let acknowledged = false;
    ledger.close(record, OK, () => {
      acknowledged = true;
    });
    clock.advance(100);
    expect(acknowledged).toBe(false);
    renameSync(`${folder}-away`, folder);
    clock.advance(100);
    expect(acknowledged).toBe(true);
    await ledger.flush();
    expect(await idsInTable()).toEqual([record.id]);
  });

  test("accepts requests again once the spool can be written, even if no line was waiting", async () => {
    const { ledger, clock, folder } = open();
    renameSync(folder, `${folder}-away`);
    await expect(ledger.flush()).rejects.toThrow(/can't be written/);
    expect(ledger.stats().accepting).toBe(false);
    clock.advance(100);
    expect(ledger.stats().accepting).toBe(false);
    renameSync(`${folder}-away`, folder);
    clock.advance(100);
    expect(ledger.stats().accepting).toBe(true);
    ledger.open(request());
  });

  test("writes all other rows when the database refuses one of them", async () => {
    const { ledger } = open();
    const rows = Array.from({ length: 9 }, (_, i) =>
      request(i === 4 ? { id: "not-hexadecimal-at-all-0123456789" } : {}),
    );
    for (const row of rows) {
      ledger.open(row);
      await closed(ledger, row);
    }
    await ledger.flush();
    expect(await idsInTable()).toEqual(
      rows
        .filter((_, i) => i !== 4)
        .map((row) => row.id)
        .sort(),
    );
  });

  test("does not touch the spool of a running process, and leaves no files after a shutdown", async () => {
    const living = open({ identity: ownIdentity() });
    const record = request();
    living.ledger.open(record);
    await closed(living.ledger, record);
    const other = open({ folder: living.folder, identity: ownIdentity() });
    await other.ledger.flush();
    expect(await idsInTable()).toEqual([]);
    await living.ledger.shutDown();
    await other.ledger.shutDown();
    expect(await idsInTable()).toEqual([record.id]);
    expect(readdirSync(living.folder)).toEqual([]);
  });

  test("records requests of a dead process once when several processes find its spool, and deletes the spool", async () => {
    const dead = open();
    const rows = Array.from({ length: 300 }, () => request());
    for (const row of rows) dead.ledger.open(row);
    await Promise.all(rows.map((row) => closed(dead.ledger, row)));
    const folder = crash(dead.folder);
    const living = Array.from({ length: 5 }, () => open({ folder, identity: ownIdentity() }).ledger);
    await Promise.all(living.map((ledger) => ledger.flush()));
    expect(await idsInTable()).toEqual(rows.map((row) => row.id).sort());
    await Promise.all(living.map((ledger) => ledger.shutDown()));
    expect(readdirSync(folder)).toEqual([]);
  });

  test("adopts the spool of a process on another host only after a minute without a sign of life", async () => {
    const elsewhere = open({ identity: { ...ownIdentity(), place: "another host" } });
    const record = request();
    elsewhere.ledger.open(record);
    await closed(elsewhere.ledger, record);
    const folder = crash(elsewhere.folder);
    const lastSignMs = statSync(join(folder, readdirSync(folder)[0]!, "owner")).mtimeMs;
    for (const [silenceMs, expected] of [
      [59_000, []],
      [61_000, [record.id]],
    ] as const) {
      const { ledger } = open({
        folder,
        clock: new FakeClock(lastSignMs + silenceMs),
        identity: ownIdentity(),
      });
      await ledger.flush();
      expect(await idsInTable()).toEqual(expected);
      await ledger.shutDown();
    }
  });

  test("writes a row whatever texts and numbers it contains", async () => {
    const text = fc.string({ unit: "binary", maxLength: 300 });
    const number = fc.oneof(fc.double(), fc.integer());
    await fc.assert(
      fc.asyncProperty(
        text,
        text,
        text,
        number,
        number,
        async (accountId, model, replica, tokens, durationMs) => {
          const { ledger } = open();
          const odd = request({
            accountId,
            model: `${model}\u0000\ud800`,
            replica,
            completionTokens: tokens,
          });
          ledger.open(odd);
          await closed(ledger, odd, { ...OK, durationMs });
          await ledger.flush();
          expect((await ledger.list({ id: odd.id })).length).toBe(1);
          await ledger.shutDown();
        },
      ),
      { numRuns: 50 },
    );
  });
});

/**
 * Simulates a crash: copies the process's files as they are now, out of reach of its later writes. Starts again when a
 * file disappears during the copy, because rows move to the database in the background.
 */
function crash(folder: string): string {
  for (;;) {
    const copy = freshFolder();
    try {
      cpSync(folder, copy, { recursive: true });
      return copy;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** Appends half a frame to the last segment of the copied spool, as an interrupted write leaves it. */
function tear(folder: string): void {
  for (const process of readdirSync(folder)) {
    const last = readdirSync(join(folder, process))
      .filter((name) => name.endsWith(".spool"))
      .sort()
      .at(-1);
    if (last !== undefined) appendFileSync(join(folder, process, last), '0123abcd 00000040\nc["torn');
  }
}

/** Duplicates the dead process's spool, as if another process had been interrupted while adopting it. */
function duplicate(folder: string): void {
  for (const process of readdirSync(folder))
    cpSync(join(folder, process), join(folder, `${process}-again`), { recursive: true });
}

type Step =
  | { do: "open" | "announce" | "checkpoint" | "turn" | "flush" }
  | { do: "progress" | "close"; which: number; tokens: number }
  | { do: "crash"; torn: boolean; twice: boolean; afterInsert: boolean };

const simple = (name: "open" | "announce" | "checkpoint" | "turn" | "flush"): fc.Arbitrary<Step> =>
  fc.constant({ do: name });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: simple("open") },
  { weight: 2, arbitrary: simple("announce") },
  { weight: 2, arbitrary: simple("checkpoint") },
  { weight: 2, arbitrary: simple("turn") },
  { weight: 1, arbitrary: simple("flush") },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("progress" as const), which: fc.nat(), tokens: fc.nat(999) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("close" as const), which: fc.nat(), tokens: fc.nat(999) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("crash" as const),
      torn: fc.boolean(),
      twice: fc.boolean(),
      afterInsert: fc.boolean(),
    }),
  },
);

/** One run of a process: its ledger, and the model's view of it. */
class ProcessRun {
  readonly ledger: UsageLedger;
  readonly clock: FakeClock;
  readonly folder: string;
  inFlight: Request[] = [];
  /** Tokens of acknowledged requests, by id. */
  readonly ended = new Map<string, number>();
  /** Tokens of open requests according to the spool, by id. */
  readonly spooled = new Map<string, number>();

  constructor(folder?: string) {
    ({
      ledger: this.ledger,
      clock: this.clock,
      folder: this.folder,
    } = open(folder === undefined ? {} : { folder }));
  }

  open(): void {
    const record = request({ completionTokens: 0 });
    this.ledger.open(record);
    this.inFlight.push(record);
  }

  announce(): void {
    const record = this.inFlight.at(-1);
    if (record === undefined) return;
    const tokens = record.completionTokens;
    this.ledger.ensureOpened(record, () => this.spooled.set(record.id, tokens));
  }

  update(kind: "progress" | "close", which: number, tokens: number): void {
    const record = this.inFlight[which % Math.max(1, this.inFlight.length)];
    if (record === undefined) return;
    record.completionTokens = tokens;
    if (kind === "progress") return;
    this.inFlight = this.inFlight.filter((other) => other !== record);
    this.ledger.close(record, OK, () => {
      this.ended.set(record.id, tokens);
      this.spooled.delete(record.id);
    });
  }

  checkpoint(): void {
    this.clock.advance(100);
    this.#markAllSpooled();
  }

  async flush(): Promise<void> {
    await nextTurn();
    const flushed = this.ledger.flush();
    this.#markAllSpooled();
    await flushed;
  }

  /** Checkpoints and new segments write all requests in flight. */
  #markAllSpooled(): void {
    for (const record of this.inFlight) this.spooled.set(record.id, record.completionTokens);
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs the steps, with a new process after each crash. @returns the expected rows: outcome and tokens, by id. */
async function runSteps(steps: readonly Step[]): Promise<Map<string, string>> {
  const expected = new Map<string, string>();
  let run = new ProcessRun();
  const remember = (): void => {
    for (const [id, tokens] of run.ended) expected.set(id, `ok ${tokens}`);
    for (const [id, tokens] of run.spooled) expected.set(id, `interrupted ${tokens}`);
  };
  const lastCrash: Step = { do: "crash", torn: false, twice: false, afterInsert: false };
  for (const record of [...steps, lastCrash]) {
    if (record.do === "open") run.open();
    else if (record.do === "announce") run.announce();
    else if (record.do === "checkpoint") run.checkpoint();
    else if (record.do === "turn") await nextTurn();
    else if (record.do === "flush") await run.flush();
    else if (record.do === "progress" || record.do === "close")
      run.update(record.do, record.which, record.tokens);
    else if (record.do === "crash") {
      if (record.afterInsert) await nextTurn();
      const crashedFolder = crash(run.folder);
      remember();
      // The rows reach the table, but the copy still has the segment that should be gone by then.
      if (record.afterInsert) await run.flush();
      if (record.torn) tear(crashedFolder);
      if (record.twice) duplicate(crashedFolder);
      run = new ProcessRun(crashedFolder);
    }
  }
  await run.flush();
  return expected;
}

test("every acknowledged request is in the table once and unchanged after any sequence of events and crashes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      await database.sql`truncate usage_records`;
      const expected = await runSteps(steps);
      const rows = await database.sql`select id, outcome, completion_tokens from usage_records`;
      const found = rows.map((row) => [
        String(row["id"]).replaceAll("-", ""),
        `${row["outcome"]} ${row["completion_tokens"]}`,
      ]);
      expect(found.sort()).toEqual([...expected].sort());
    }),
    { numRuns: 60 },
  );
});
