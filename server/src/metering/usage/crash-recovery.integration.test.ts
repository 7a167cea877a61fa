import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { systemClock } from "../../lib/clock.ts";
import { createUsageLedger } from "./service.ts";

const fixture = fileURLToPath(new URL("./crash-recovery.fixture.ts", import.meta.url));
const tsx = import.meta.resolve("tsx");
let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await testDatabase();
  folder = mkdtempSync(join(tmpdir(), "hearth-kill-"));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

interface Notes {
  begun: Set<string>;
  announced: Set<string>;
  acknowledged: Set<string>;
}

let runs = 0;

/** Runs a process, kills it when it has acknowledged about `after` requests, and adds its notes to `notes`. */
async function runAndKill(after: number, notes: Notes): Promise<void> {
  const notesFile = join(folder, `notes-${runs++}`);
  const child = spawn(
    process.execPath,
    ["--import", tsx, fixture, database.url, join(folder, "spool"), notesFile],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let acknowledged = 0;
  child.stdout.on("data", (dots: Buffer) => {
    acknowledged += dots.length;
    if (acknowledged >= after) child.kill("SIGKILL");
  });
  const [, signal] = (await once(child, "close")) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");
  const sets: Record<string, Set<string>> = { b: notes.begun, a: notes.announced, c: notes.acknowledged };
  for (const line of readFileSync(notesFile, "latin1").split("\n")) sets[line[0] ?? ""]?.add(line.slice(2));
}

test("a process killed at any moment loses no acknowledged request or announced stream, and no row or sum counts twice", async () => {
  const notes: Notes = { begun: new Set(), announced: new Set(), acknowledged: new Set() };
  // The kills fall anywhere between two flushes. Two processes at a time share the folder.
  for (const after of [1, 37, 411]) {
    await Promise.all([runAndKill(after, notes), runAndKill(after + 60, notes)]);
  }
  const ledger = createUsageLedger({
    database,
    clock: systemClock,
    log: silentLog,
    folder: join(folder, "spool"),
  });
  await ledger.flush();
  const rows = await ledger.list({});
  const rowsById = new Map(rows.map((row) => [row.id, row]));

  expect(rowsById.size).toBe(rows.length);
  expect([...notes.acknowledged].filter((id) => rowsById.get(id)?.outcome !== "ok")).toEqual([]);
  expect([...notes.announced].filter((id) => !rowsById.has(id))).toEqual([]);
  expect(rows.filter((row) => !notes.begun.has(row.id))).toEqual([]);
  expect(rows.filter((row) => row.promptTokens !== Number.parseInt(row.id.slice(-4), 16))).toEqual([]);
  const [sums] = await database.sql`
    select sum(requests)::int as requests, sum(prompt_tokens)::int as prompts, sum(completion_tokens)::int as completions
    from usage_hourly`;
  const total = (count: (row: (typeof rows)[number]) => number) =>
    rows.reduce((sum, row) => sum + count(row), 0);
  expect(sums).toEqual({
    requests: rows.length,
    prompts: total((row) => row.promptTokens),
    completions: total((row) => row.completionTokens),
  });
  const interrupted = rows.filter((row) => row.outcome === "interrupted");
  expect(interrupted.length).toBeGreaterThan(0);
  expect(interrupted.filter((row) => notes.acknowledged.has(row.id))).toEqual([]);
  expect(ledger.stats()).toMatchObject({ inFlight: 0, pendingRows: 0, spoolSizeBytes: 0 });
  await ledger.shutDown();
});

test("a write that the file system cuts short is repeated, and no request is acknowledged before it is written", async () => {
  const before = new Set((await database.sql`select id from usage_records`).map((row) => row["id"]));
  const program = fileURLToPath(new URL("./full-disk.fixture.ts", import.meta.url));
  // Files may have at most 256 KiB, and all rows take 570 KiB: one write is cut short and the next one fails.
  const limited = ["-c", 'ulimit -f 512; exec "$@"', "sh", process.execPath, "--import", tsx, program];
  const child = spawn("/bin/sh", [...limited, database.url, join(folder, "full")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  expect(code).toBe(0);
  expect(output).toContain("failing");
  const rows = await database.sql`select id, prompt_tokens from usage_records`;
  const tokens = rows.filter((row) => !before.has(row["id"])).map((row) => Number(row["prompt_tokens"]));
  expect(tokens.sort((a, b) => a - b)).toEqual(Array.from({ length: 3_000 }, (_, i) => i));
});
