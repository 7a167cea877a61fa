import { connect } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, MODEL, metric, rowOf, startHearth, type UsageRow, until } from "../harness/hearth.ts";
import {
  type OpenStream,
  openStream,
  parseRaw,
  post,
  type Reply,
  rawExchange,
  send,
} from "../harness/http.ts";
import { alive, descendants, type Process } from "./processes.ts";

const CHAT = "/inference/v1/chat/completions";

let hearth: Hearth;
/** A head that never becomes whole, opened first: the server gives it a while. */
let halfHead: Promise<string>;

const head = () => `POST ${CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${hearth.apiKey}\r\n`;

beforeAll(async () => {
  hearth = await startHearth();
  halfHead = rawExchange(hearth.port, head());
});

const story = (maxTokens: number) => ({
  model: MODEL,
  messages: [{ role: "user", content: "Tell me a long story about a lighthouse and its keeper." }],
  max_tokens: maxTokens,
});

const deltasOf = (opened: OpenStream): number =>
  opened.reply.chunks.filter((chunk) => chunk.choices?.[0]?.delta?.content).length;

/** An open stream of which some text has come. */
async function running(maxTokens: number, deltas = 3): Promise<OpenStream> {
  const opened = await openStream(hearth, CHAT, story(maxTokens));
  await opened.read(() => deltasOf(opened) >= deltas);
  expect(opened.reply.status).toBe(200);
  return opened;
}

const idOf = ({ headers }: { headers: Reply["headers"] }): string => String(headers["x-request-id"]);

async function newRows(known: ReadonlySet<string>, count: number): Promise<UsageRow[]> {
  return until(`${count} new rows`, async () => {
    const rows = (await hearth.usageRows()).filter(({ id }) => !known.has(id));
    return rows.length >= count && rows;
  });
}

const idle = (): Promise<boolean> =>
  until("an idle server", async () => (await metric(hearth, "hearth_requests_in_flight")) === 0);

/** Rows of earlier requests reach the database a moment after their replies. */
async function knownIds(): Promise<Set<string>> {
  await idle();
  await until("all rows", async () => (await metric(hearth, "hearth_usage_pending_rows")) === 0);
  return new Set((await hearth.usageRows()).map(({ id }) => id));
}

function engineProcess(): Process {
  const engines = descendants(hearth.pid).filter(({ command }) => /llama-cpp/.test(command));
  expect(engines).toHaveLength(1);
  return engines[0] as Process;
}

describe("a client that leaves", () => {
  test("in the middle of a stream is billed for the tokens made, no more", async () => {
    const opened = await running(1500, 5);
    opened.drop();
    const row = await rowOf(hearth, idOf(opened.reply));
    expect(row).toMatchObject({ outcome: "cancelled", status: 499 });
    expect(row.completionTokens).toBeGreaterThanOrEqual(deltasOf(opened));
    expect(row.completionTokens).toBeLessThan(1500);
    expect(row.promptTokens).toBeGreaterThan(0);
    await idle();
  });

  test("while it waits for a whole reply stops the work too", async () => {
    const known = await knownIds();
    const leave = new AbortController();
    const reply = post(hearth, CHAT, story(1500), { signal: leave.signal }).catch(() => null);
    await until(
      "the request at work",
      async () => (await metric(hearth, "hearth_replica_outstanding")) === 1,
    );
    leave.abort();
    expect(await reply).toBeNull();
    const [row] = await newRows(known, 1);
    expect(row).toMatchObject({ outcome: "cancelled", status: 499 });
    expect(row?.completionTokens).toBeLessThan(1500);
    await idle();
  });

  test("while it waits in the queue costs nothing", async () => {
    const known = await knownIds();
    const streams = await Promise.all(Array.from({ length: 8 }, () => running(1500)));
    const leave = new AbortController();
    const queued = post(hearth, CHAT, story(1500), { signal: leave.signal }).catch(() => null);
    await until(
      "the ninth in the queue",
      async () => (await metric(hearth, "hearth_replica_outstanding")) === 9,
    );
    leave.abort();
    await queued;
    const [row] = await newRows(known, 1);
    expect(row).toMatchObject({ outcome: "cancelled", completionTokens: 0 });
    for (const stream of streams) stream.drop();
    await newRows(known, 9);
    await idle();
  });
});

describe("500 requests at once", () => {
  test("each gets its reply or is told to come back, and each leaves its row", async () => {
    const known = await knownIds();
    const body = { model: MODEL, messages: [{ role: "user", content: "Hi" }], max_tokens: 2 };
    const replies = await Promise.all(Array.from({ length: 500 }, () => post(hearth, CHAT, body)));
    for (const reply of replies) {
      if (reply.status === 200) {
        expect(reply.json.choices).toHaveLength(1);
        continue;
      }
      expect([429, 503]).toContain(reply.status);
      expect(reply.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
      expect(reply.json.error.code).toBe(reply.status === 429 ? "RATE_LIMIT_EXCEEDED" : "UNAVAILABLE");
    }
    expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(8);
    expect(new Set(replies.map(idOf)).size).toBe(500);
    const rows = new Map((await newRows(known, 500)).map((row) => [row.id, row.status]));
    expect(rows.size).toBe(500);
    for (const reply of replies) expect(rows.get(idOf(reply))).toBe(reply.status);
    expect((await post(hearth, CHAT, body)).status).toBe(200);
  });
});

describe("the engine's process is killed", () => {
  test("its streams end with an error event, the next requests are served by a new one", async () => {
    const first = engineProcess();
    const streams = await Promise.all(Array.from({ length: 4 }, () => running(1500)));
    const leftWaiting = post(hearth, CHAT, story(1500));
    await until("five at work", async () => (await metric(hearth, "hearth_replica_outstanding")) === 5);
    process.kill(first.pid, "SIGKILL");

    for (const opened of streams) {
      const reply = await opened.read();
      expect(reply).toMatchObject({ done: true, whole: true });
      expect(reply.chunks.at(-1).error).toMatchObject({ code: "UNAVAILABLE", object: "error" });
      const row = await rowOf(hearth, idOf(reply));
      expect(row).toMatchObject({ outcome: "error", status: 503 });
      expect(row.completionTokens).toBeGreaterThanOrEqual(deltasOf(opened));
      expect(row.completionTokens).toBeLessThan(1500);
    }
    const refused = await leftWaiting;
    expect(refused.status).toBe(503);
    expect(refused.headers["retry-after"]).toMatch(/^[1-9]\d*$/);

    // Sent while there is none: served once there is, or told when to come back.
    const meanwhile = await Promise.all(Array.from({ length: 6 }, () => post(hearth, CHAT, story(2))));
    for (const reply of meanwhile) {
      expect([200, 503]).toContain(reply.status);
      if (reply.status === 503) expect(reply.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    }
    await until("a reply from a new engine", async () => (await post(hearth, CHAT, story(2))).status === 200);
    expect(engineProcess().pid).not.toBe(first.pid);
    expect(alive([first])).toEqual([]);
    expect(await metric(hearth, "hearth_replica_restarts")).toBe(1);
  });

  test("again and again, it comes back", async () => {
    for (let i = 0; i < 2; i++) {
      const { pid } = engineProcess();
      process.kill(pid, "SIGKILL");
      await until(
        "a reply from a new engine",
        async () => (await post(hearth, CHAT, story(2))).status === 200,
      );
      expect(engineProcess().pid).not.toBe(pid);
    }
  });
});

describe("requests that never become whole", () => {
  test("a half-sent head answers 408", async () => {
    const reply = parseRaw(await halfHead);
    expect(reply.status).toBe(408);
    expect(reply.json.error).toMatchObject({
      code: "REQUEST_TIMEOUT",
      type: "server_error",
      object: "error",
    });
  });

  test("a body that its client leaves in the middle leaves a row", async () => {
    const known = await knownIds();
    const socket = connect(hearth.port, "127.0.0.1");
    socket.write(`${head()}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"mo`);
    await until(
      "the request in flight",
      async () => (await metric(hearth, "hearth_requests_in_flight")) === 1,
    );
    socket.destroy();
    const [row] = await newRows(known, 1);
    expect(row).toMatchObject({ outcome: "cancelled", status: 499, completionTokens: 0 });
  });
});

describe("Ctrl-C", () => {
  test("lets what runs finish, takes nothing new, and leaves no process", async () => {
    const children = descendants(hearth.pid);
    const stream = await running(200);
    const whole = post(hearth, CHAT, story(40));
    await until("both at work", async () => (await metric(hearth, "hearth_replica_outstanding")) === 2);
    hearth.interrupt();

    await until("new requests to be turned away", async () => {
      const reply = await send(hearth, "/health").catch(() => null);
      return reply === null || reply.status === 503;
    });
    const reply = await stream.read();
    expect(reply).toMatchObject({ done: true, whole: true });
    expect(reply.chunks.at(-1).choices[0].finish_reason).toMatch(/^(stop|length)$/);
    expect((await whole).status).toBe(200);
    expect(await hearth.exited).toEqual({ code: 0, signal: null });
    await until("the end of all children", () => alive(children).length === 0);
    expect(await rowOf(hearth, idOf(reply))).toMatchObject({
      outcome: "ok",
      completionTokens: reply.chunks.at(-1).usage.completion_tokens,
    });
  });
});
