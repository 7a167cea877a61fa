import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@redis/client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import { until } from "../../../test/harness/hearth.ts";
import { type TestRedis, testRedis } from "../../../test/harness/redis.ts";
import { type LimitsStore, STATE_TTL_MS } from "./port.ts";
import { redisStore } from "./redis-store.ts";
import type { SlidingWindowState } from "./sliding-window-limit.ts";

const PASSWORD = "a-secret-of-the-test";
const state = (admitted: number): SlidingWindowState => ({
  born: 1,
  admitted,
  ceiling: admitted,
  inWindow: admitted,
});

let redis: TestRedis;
const open: LimitsStore[] = [];
beforeAll(async () => {
  redis = await testRedis(PASSWORD);
});
afterEach(async () => {
  for (const store of open.splice(0)) await store.close("any").catch(() => {});
  await onRedis((client) => client.flushAll());
});
afterAll(() => redis?.stop());

async function connect(): Promise<LimitsStore> {
  const store = await redisStore(redis.url, silentLog);
  open.push(store);
  return store;
}

async function onRedis<T>(work: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T> {
  const client = createClient({ url: redis.url });
  await client.connect();
  try {
    return await work(client as never);
  } finally {
    client.destroy();
  }
}

describe("a Redis that can't be used stops the start, with the reason and without the password", () => {
  const elsewhere = (change: (url: URL) => void): string => {
    const url = new URL(redis.url);
    change(url);
    return url.href;
  };
  test.each<[string, () => string, RegExp]>([
    [
      "a wrong password",
      () => elsewhere((url) => (url.password = `${PASSWORD}x`)),
      /127\.0\.0\.1:\d+ refuses the name or the password/,
    ],
    [
      "no password",
      () => elsewhere((url) => (url.password = "")),
      /refuses the name or the password \(NOAUTH/,
    ],
    [
      "a number it does not have",
      () => `${redis.url}/9999`,
      /Redis at 127\.0\.0\.1:\d+ can't be used: .*index/,
    ],
    ["nobody there", () => `redis://:${PASSWORD}@127.0.0.1:1`, /Redis at 127\.0\.0\.1:1 .*ECONNREFUSED/],
  ])("%s", async (_, url, message) => {
    const error: Error = await redisStore(url(), silentLog).then(
      () => new Error("it was used"),
      (problem) => problem,
    );
    expect(error.message).toMatch(message);
    expect(`${error.message}${error.stack}${error.cause}`).not.toContain(PASSWORD);
  });

  test("another kind of server", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await expect(redisStore(`redis://127.0.0.1:${port}`, silentLog)).rejects.toThrow(
      `Redis at 127.0.0.1:${port}`,
    );
    server.closeAllConnections();
    server.close();
  });
});

test("what one gateway tells, however much, the others hear, and who told it", async () => {
  const [first, second] = [await connect(), await connect()];
  const { nowMs } = await second.pull("b", 0);
  const states = new Map(Array.from({ length: 2_500 }, (_, i) => [`account-${i}/key`, state(i)]));
  await first.publish("a", states);
  const heard = await second.pull("b", nowMs);
  expect(heard.gateways.map(({ id }) => id)).toEqual(["a"]);
  expect(heard.gateways[0]!.toldAtMs).toBeGreaterThanOrEqual(nowMs);
  const told = new Map(heard.states.map((one) => [one.subject, one.state]));
  expect(told).toEqual(states);
  expect(new Set(heard.states.map((one) => one.gateway))).toEqual(new Set(["a"]));
  expect((await first.pull("a", 0)).states).toEqual([]);
});

test("what is lost in part or whole, evicted or flushed, is another epoch", async () => {
  const store = await connect();
  const epochs: string[] = [];
  const look = async (): Promise<void> => {
    await store.publish("a", new Map([["acme", state(1)]]));
    epochs.push((await store.pull("b", 0)).epoch, (await store.pull("b", 0)).epoch);
  };
  await look();
  const keys = (await onRedis((client) => client.keys("*"))).sort();
  expect(keys).toHaveLength(3);
  for (const key of keys) {
    await onRedis((client) => client.del(key));
    expect((await store.pull("b", 0)).states).toEqual([]);
    await look();
  }
  await onRedis((client) => client.flushAll());
  await look();
  expect(new Set(epochs).size).toBe(5);
  for (let i = 0; i < epochs.length; i += 2) expect(epochs[i]).toBe(epochs[i + 1]);
  expect((await store.pull("b", 0)).states).toHaveLength(1);
});

test("what is too old to matter is removed, the rest is not", async () => {
  const store = await connect();
  await store.publish("dead", new Map([["acme", state(1)]]));
  const keys = await onRedis((client) => client.keys("*"));
  const [told, gateways] = ["told", "gateways"].map((end) => keys.find((key) => key.endsWith(end))!);
  await onRedis(async (client) => {
    await client.zIncrBy(told!, -STATE_TTL_MS, "dead acme");
    await client.hIncrBy(gateways!, "dead", -STATE_TTL_MS);
  });
  await store.publish("alive", new Map([["acme", state(2)]]));
  await store.prune();
  const heard = await store.pull("b", 0);
  expect(heard.states).toMatchObject([{ gateway: "alive", subject: "acme" }]);
  expect(await onRedis((client) => client.hExists(gateways!, "dead"))).toBeFalsy();
  expect(await onRedis((client) => client.pTTL(told!))).toBeGreaterThan(STATE_TTL_MS / 2);
});

test("a Redis that hangs or is gone fails calls instead of keeping them, and is used again when it is back", async () => {
  const store = await connect();
  const { epoch } = await store.pull("a", 0);
  process.kill(redis.pid(), "SIGSTOP");
  await expect(store.pull("a", 0)).rejects.toThrow();
  await expect(store.pull("a", 0)).rejects.toThrow();
  process.kill(redis.pid(), "SIGCONT");
  const works = () =>
    store.pull("a", 0).then(
      (heard) => heard,
      () => null,
    );
  await until("an answer of a Redis that goes on", works);
  await redis.kill();
  await expect(store.publish("a", new Map())).rejects.toThrow();
  await redis.restart();
  const heard = await until("an answer of a new Redis", works);
  expect(heard.epoch).not.toBe(epoch);
});
