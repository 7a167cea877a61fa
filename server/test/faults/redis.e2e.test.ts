/** Two gateways share limits through a Redis that is killed and restarted empty while both are under load. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../harness/database.ts";
import { type Hearth, startHearth, until } from "../harness/hearth.ts";
import { post } from "../harness/http.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";

const MODEL = "accounts/local/models/canned";
const PASSWORD = "a-secret-of-the-test";
const LIMIT = 300;
const REPLY = JSON.stringify({
  id: "canned",
  object: "text_completion",
  created: 1,
  model: "canned",
  choices: [{ index: 0, text: "yes", finish_reason: "stop", logprobs: null }],
  usage: { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 },
});

let redis: TestRedis;
let database: TestDatabase;
let model: Server;
let gateways: Hearth[];

beforeAll(async () => {
  [redis, database] = await Promise.all([testRedis(PASSWORD), testDatabase()]);
  model = createServer((request, response) => {
    request.resume().on("end", () => response.setHeader("content-type", "application/json").end(REPLY));
  }).listen(0, "127.0.0.1");
  await once(model, "listening");
  const { port } = model.address() as AddressInfo;
  const env = {
    DATABASE_URL: database.url,
    HEARTH_API_KEY: `fw_${randomBytes(24).toString("base64url")}`,
    HEARTH_ATTACHED_ENGINES: `${MODEL}=http://127.0.0.1:${port}/v1`,
    HEARTH_LOG_LEVEL: "info",
    HEARTH_REDIS_URL: redis.url,
    HEARTH_REQUESTS_PER_MINUTE: `${LIMIT}`,
  };
  // Started one after the other: the first creates the account and its key, the second finds them.
  gateways = [
    await startHearth({ env, database: "embedded" }),
    await startHearth({ env, database: "embedded" }),
  ];
});
afterAll(async () => {
  for (const gateway of gateways ?? []) await gateway.stop();
  await redis?.stop();
  await database?.drop();
  model?.close();
});

interface Answer {
  gateway: number;
  status: number;
  atMs: number;
  retryAfter: string | undefined;
}

/** Sends requests to both gateways, two at a time to each, until `end` is called. */
function load(): { answers: Answer[]; end(): Promise<void> } {
  const answers: Answer[] = [];
  let isOver = false;
  const ask = async (gateway: number): Promise<void> => {
    while (!isOver) {
      const { status, headers } = await post(gateways[gateway]!, "/inference/v1/completions", {
        model: MODEL,
        prompt: "Well?",
        max_tokens: 1,
      });
      answers.push({ gateway, status, atMs: Date.now(), retryAfter: headers["retry-after"] });
      await sleep(status === 200 ? 10 : 50);
    }
  };
  const asking = [0, 1, 0, 1].map(ask);
  return {
    answers,
    async end() {
      isOver = true;
      await Promise.all(asking);
    },
  };
}

function busiestMinute(answers: readonly Answer[]): number {
  const times = answers.filter(({ status }) => status === 200).map(({ atMs }) => atMs);
  return Math.max(...times.map((end) => times.filter((atMs) => atMs > end - 60_000 && atMs <= end).length));
}

describe("while Redis is killed and restarted empty", () => {
  test("no request fails, the gateways stay within the limit's bound, and they share limits again afterwards", async () => {
    const { answers, end } = load();
    const [before, after] = ["can't share their request counts", "Gateways share their request counts again"];
    const all = (what: string) => gateways.every((gateway) => gateway.output().includes(what));
    await until("requests of both", () => [0, 1].every((i) => count(answers, i, 200) > 20));
    await redis.kill();
    await until("both to miss Redis", () => all(before));
    const refusedBefore = [0, 1].map((i) => count(answers, i, 429));
    await until("both to have used up their part", () =>
      [0, 1].every((i) => count(answers, i, 429) > refusedBefore[i]! + 20),
    );
    await redis.restart();
    await until("both to find Redis", () => all(after));
    const refused = [0, 1].map((i) => count(answers, i, 429));
    await until("both to keep to the limit again", () =>
      [0, 1].every((i) => count(answers, i, 429) > refused[i]! + 20),
    );
    await end();
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    for (const { status, retryAfter } of answers) {
      if (status === 429) expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    }
    const busiest = busiestMinute(answers);
    expect(busiest).toBeGreaterThan(LIMIT * 0.6);
    // One gateway may be without Redis longer than the other and then admits its share on top of the limit.
    expect(busiest).toBeLessThanOrEqual(LIMIT * 1.5);
  });

  test("no gateway logs the Redis password", () => {
    for (const gateway of gateways) {
      expect(gateway.output()).toContain("can't share their request counts");
      expect(gateway.output()).not.toContain(PASSWORD);
    }
  });
});

function count(answers: readonly Answer[], gateway: number, status: number): number {
  return answers.filter((answer) => answer.gateway === gateway && answer.status === status).length;
}
