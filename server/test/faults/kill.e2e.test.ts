import { randomBytes, randomInt } from "node:crypto";
import { expect, test } from "vitest";
import {
  type Hearth,
  MODEL,
  metric,
  startHearth,
  tempFolder,
  type UsageRow,
  until,
} from "../harness/hearth.ts";
import { openStream, post, type StreamedResponse } from "../harness/http.ts";
import { alive, descendants } from "./processes.ts";

const CHAT = "/inference/v1/chat/completions";
const ROUNDS = 3;
const WORKERS = 6;
/**
 * The ledger row of an interrupted request holds the tokens up to a checkpoint 100 ms before the kill at most. On a busy machine
 * timers and deltas come late, so that the margin is far larger.
 */
const CHECKPOINT_MARGIN_MS = 3_000;

interface Whole {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}
interface Broken {
  maxTokens: number;
  /** When each delta arrived. */
  deltasMs: number[];
  killedMs: number;
}

/** The responses as the clients received them, by request id. */
const whole = new Map<string, Whole>();
const broken = new Map<string, Broken>();
/** Status of the requests that were refused, which a busy platform may do. */
const refused = new Map<string, number>();
let sent = 0;
let events = 0;

/** One client: sends streaming and unstreamed requests in turn until `isOver`. */
async function work(hearth: Hearth, isOver: () => boolean): Promise<void> {
  for (let turn = randomInt(2); !isOver(); turn++) {
    const body = {
      model: MODEL,
      messages: [{ role: "user", content: `Tell me about the number ${randomInt(1000)}.` }],
    };
    sent++;
    try {
      if (turn % 2 === 0) await readWhole(hearth, { ...body, max_tokens: randomInt(1, 16) });
      else await readStream(hearth, { ...body, max_tokens: randomInt(1, 160) });
    } catch {
      // The connection broke before the response's head arrived, so the request's id is unknown.
    }
  }
}

async function readWhole(hearth: Hearth, body: object): Promise<void> {
  const response = await post(hearth, CHAT, body);
  events++;
  if (response.status === 200)
    whole.set(String(response.headers["x-request-id"]), usageOf(response.json.usage));
}

async function readStream(hearth: Hearth, body: { max_tokens: number }): Promise<void> {
  const opened = await openStream(hearth, CHAT, body);
  const id = String(opened.response.headers["x-request-id"]);
  if (opened.response.status !== 200) {
    events++;
    refused.set(id, opened.response.status);
    await opened.read(() => false);
    return;
  }
  const seen: Broken = { maxTokens: body.max_tokens, deltasMs: [], killedMs: 0 };
  broken.set(id, seen);
  let known = 0;
  const response = await opened.read((so) => {
    for (const chunk of so.chunks.slice(known)) {
      events++;
      if (chunk.choices?.[0]?.delta?.content) seen.deltasMs.push(performance.now());
    }
    known = so.chunks.length;
    return false;
  });
  if (!isWhole(response)) return;
  broken.delete(id);
  whole.set(id, usageOf(response.chunks.at(-1).usage));
}

const isWhole = (response: StreamedResponse): boolean =>
  response.done && response.chunks.at(-1)?.usage !== undefined;

const usageOf = (usage: {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}): Whole => ({
  promptTokens: usage.prompt_tokens,
  cachedTokens: usage.prompt_tokens_details.cached_tokens,
  completionTokens: usage.completion_tokens,
});

/** Starts the platform, kills it under load and waits until no child process is left. */
async function round(dataDir: string, apiKey: string): Promise<void> {
  const hearth = await startHearth({ dataDir, database: "embedded", env: { HEARTH_API_KEY: apiKey } });
  let over = false;
  const clients = Array.from({ length: WORKERS }, () => work(hearth, () => over));
  const target = events + randomInt(1, 500);
  await until("some load", () => events >= target);
  const children = descendants(hearth.pid);
  over = true;
  await hearth.kill9();
  const killedMs = performance.now();
  await Promise.all(clients);
  for (const seen of broken.values()) seen.killedMs ||= killedMs;

  expect(children.some(({ command }) => command.includes("llama-cpp"))).toBe(true);
  expect(children.some(({ command }) => command.includes("postgres"))).toBe(true);
  await until("the end of the engine, PostgreSQL and its guard", () => alive(children).length === 0);
}

function expectAccounted(rows: ReadonlyMap<string, UsageRow>): void {
  for (const [id, usage] of whole) {
    expect({ id, ...rows.get(id) }).toMatchObject({ id, outcome: "ok", status: 200, ...usage });
  }
  for (const [id, status] of refused) expect({ id, ...rows.get(id) }).toMatchObject({ id, status });
  for (const [id, { maxTokens, deltasMs, killedMs }] of broken) {
    const row = rows.get(id);
    // The server may have finished a request whose response did not reach the client completely.
    expect(["interrupted", "ok"], JSON.stringify(row)).toContain(row?.outcome);
    const surely = deltasMs.filter((ms) => killedMs - ms > CHECKPOINT_MARGIN_MS).length;
    expect(row?.completionTokens).toBeGreaterThanOrEqual(surely);
    expect(row?.completionTokens).toBeLessThanOrEqual(maxTokens);
  }
}

test("kill -9 at random moments under load neither loses nor doubles usage and leaves no process behind", {
  timeout: 900_000,
}, async () => {
  const dataDir = tempFolder();
  const apiKey = `fw_${randomBytes(24).toString("base64url")}`;
  for (let i = 0; i < ROUNDS; i++) await round(dataDir, apiKey);

  const hearth = await startHearth({ dataDir, database: "embedded", env: { HEARTH_API_KEY: apiKey } });
  await until("the spool of the dead in the database", async () => {
    const ids = new Set((await hearth.usageRows()).map((row) => row.id));
    return [...whole.keys(), ...broken.keys(), ...refused.keys()].every((id) => ids.has(id));
  });
  await until("an empty spool", async () => (await metric(hearth, "hearth_usage_pending_rows")) === 0);
  const rows = await hearth.usageRows();
  const byId = new Map(rows.map((row) => [row.id, row]));
  expect(byId.size).toBe(rows.length);
  expect(rows.length).toBeLessThanOrEqual(sent);
  expect(whole.size).toBeGreaterThan(0);
  expectAccounted(byId);

  const children = descendants(hearth.pid);
  expect(await hearth.stop()).toBe(0);
  await until("the end of all children", () => alive(children).length === 0);
});
