import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openStream, post, stream } from "../../test/harness/http.ts";
import { createFakeEngine, type FakeEngine } from "../engine/fake-engine.ts";
import { FakeClock } from "../lib/clock.ts";
import { startInference, type TestInference } from "./testing.ts";

const MODEL = "accounts/fireworks/models/echo";
const OWN = `${MODEL}#accounts/local/deployments/own`;
const CHAT = "/inference/v1/chat/completions";
const COMPLETIONS = "/inference/v1/completions";

let inference: TestInference | undefined;
let target: TestInference["target"];
let engine: FakeEngine;
let clock: FakeClock;
let isOverloaded: boolean;

beforeEach(async () => {
  await inference?.close();
  engine = createFakeEngine();
  clock = new FakeClock();
  isOverloaded = false;
  inference = await startInference({
    engine: () => engine,
    resolve: (name) => ({ name, fallbackUsed: false, isolation: name === OWN ? "deployment" : "account" }),
    limits: { clock, requestsPerMinute: 100, isOverloaded: () => isOverloaded },
  });
  target = inference.target;
});
afterAll(() => inference?.close());

const chat = (extra: object = {}): object => ({
  model: MODEL,
  max_tokens: 50,
  messages: [{ role: "user", content: "one two three" }],
  ...extra,
});

function limitHeaders(headers: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-ratelimit-")));
}

/** Uses up the guaranteed requests of the current minute. */
async function exhaust(): Promise<void> {
  await post(target, COMPLETIONS, { model: MODEL, prompt: "a", max_tokens: 1, n: 60 });
}

describe("the headers of an account's limits", () => {
  test("are on a whole response and include its own usage", async () => {
    const response = await post(target, CHAT, chat());
    const { prompt_tokens, completion_tokens } = response.json.usage;
    expect(limitHeaders(response.headers)).toEqual({
      "x-ratelimit-limit-requests": "60",
      "x-ratelimit-limit-tokens-prompt": "60000",
      "x-ratelimit-limit-tokens-generated": "6000",
      "x-ratelimit-remaining-requests": "59",
      "x-ratelimit-remaining-tokens-prompt": `${60_000 - prompt_tokens}`,
      "x-ratelimit-remaining-tokens-generated": `${6_000 - completion_tokens}`,
      "x-ratelimit-over-limit": "no",
    });
  });

  test("are on a stream with its expected output, and on the next response with its actual output", async () => {
    const streamed = await stream(target, CHAT, chat({ stream: true }));
    const headers = limitHeaders(streamed.headers);
    expect(Object.keys(headers)).toHaveLength(7);
    expect(headers["x-ratelimit-remaining-tokens-generated"]).toBe("5950");
    const { usage } = (await post(target, COMPLETIONS, { model: MODEL, prompt: "a b" })).json;
    const response = await post(target, COMPLETIONS, { model: MODEL, prompt: "a b", temperature: 0 });
    const used = Number(response.headers["x-ratelimit-remaining-tokens-generated"]);
    expect(used).toBeGreaterThan(5_950 - 2 * usage.completion_tokens);
    expect(response.headers["x-ratelimit-remaining-requests"]).toBe("57");
  });

  test("count every choice of every prompt", async () => {
    const response = await post(target, COMPLETIONS, { model: MODEL, prompt: ["a", "b", "c"], n: 4 });
    expect(response.headers["x-ratelimit-remaining-requests"]).toBe("48");
  });

  test("are not on responses of the account's own deployment", async () => {
    const response = await post(target, CHAT, chat({ model: OWN }));
    expect(response.status).toBe(200);
    expect(limitHeaders(response.headers)).toEqual({});
  });
});

describe("a request beyond the guaranteed limits", () => {
  test("runs with low priority and says so in a header, streamed or not", async () => {
    await exhaust();
    const response = await post(target, CHAT, chat());
    expect(response.status).toBe(200);
    expect(response.headers["x-ratelimit-over-limit"]).toBe("yes");
    const streamed = await stream(target, CHAT, chat({ stream: true }));
    expect(streamed.headers["x-ratelimit-over-limit"]).toBe("yes");
    expect(engine.requests.map(({ priority }) => priority)).toEqual([undefined, "low", "low"]);
    expect(inference?.routed.map(({ priority }) => priority)).toEqual([undefined, "low", "low"]);
    clock.advance(60_000);
    expect((await post(target, CHAT, chat())).headers["x-ratelimit-over-limit"]).toBe("no");
  });

  test("gets a 429 with retry-after and leaves a row while the deployment is overloaded", async () => {
    await exhaust();
    isOverloaded = true;
    const response = await post(target, CHAT, chat());
    expect(response.status).toBe(429);
    expect(response.headers["retry-after"]).toBe("5");
    expect(limitHeaders(response.headers)).toMatchObject({
      "x-ratelimit-over-limit": "yes",
      "x-ratelimit-remaining-requests": "0",
    });
    expect(response.json.error).toMatchObject({ type: "rate_limit_error", code: "RATE_LIMIT_EXCEEDED" });
    await inference?.ledger.flush();
    const [row] = (await inference?.ledger.list({ accountId: "local" }))!.filter(
      ({ status }) => status === 429,
    );
    expect(row).toMatchObject({ outcome: "rejected", completionTokens: 0 });
  });
});

test("a request beyond the hard limit gets a 429 and never reaches an engine", async () => {
  await exhaust();
  await post(target, COMPLETIONS, { model: MODEL, prompt: "a", max_tokens: 1, n: 40 });
  const response = await post(target, CHAT, chat());
  expect(response.status).toBe(429);
  expect(Number(response.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  expect(engine.requests).toHaveLength(2);
});

test("a client that leaves is charged only for the tokens it used", async () => {
  engine = createFakeEngine({ gate: ({ token }) => (token < 3 ? undefined : new Promise(() => {})) });
  const opened = await openStream(target, CHAT, chat({ stream: true, max_tokens: 4_000 }));
  opened.drop();
  await untilDone();
  engine = createFakeEngine();
  const response = await post(target, CHAT, chat({ max_tokens: 1 }));
  expect(Number(response.headers["x-ratelimit-remaining-tokens-generated"])).toBeGreaterThan(5_990);
});

async function untilDone(): Promise<void> {
  while (engine.active > 0) await new Promise((resolve) => setImmediate(resolve));
}
