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

describe("connecting fails with a reason that does not contain the password", () => {
  const changedUrl = (change: (url: URL) => void): string => {
    const url = new URL(redis.url);
    change(url);
    return url.href;
  };
  test.each<[string, () => string, RegExp]>([
    [
      "a wrong password",
      () => changedUrl((url) => (url.password = `${PASSWORD}x`)),
      /127\.0\.0\.1:\d+ refuses the name or the password/,
    ],
    [
      "no password",
      () => changedUrl((url) => (url.password = "")),
      /refuses the name or the password \(NOAUTH/,
    ],
    [
      "a database number that does not exist",
      () => `${redis.url}/9999`,
      /Redis at 127\.0\.0\.1:\d+ can't be used: .*index/,
    ],
    ["no server", () => `redis://:${PASSWORD}@127.0.0.1:1`, /Redis at 127\.0\.0\.1:1 .*ECONNREFUSED/],
  ])("for %s", async (_, url, message) => {
    const error: Error = await redisStore(url(), silentLog).then(
      () => new Error("the connection succeeded"),
      (problem) => problem,
    );
    expect(error.message).toMatch(message);
    expect(`${error.message}${error.stack}${error.cause}`).not.toContain(PASSWORD);
  });

  test("for another kind of server", async () => {
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

test("peers read all states that a gateway publishes, in any number, with the publisher", async () => {
  const [first, second] = [await connect(), await connect()];
  const { nowMs } = await second.pull("b", 0);
  const states = new Map(Array.from({ length: 2_500 }, (_, i) => [`account-${i}/key`, state(i)]));
  await first.publish("a", states);
  const pulled = await second.pull("b", nowMs);
  expect(pulled.gateways.map(({ id }) => id)).toEqual(["a"]);
  expect(pulled.gateways[0]!.publishedAtMs).toBeGreaterThanOrEqual(nowMs);
  const pulledStates = new Map(pulled.states.map((one) => [one.subject, one.state]));
  expect(pulledStates).toEqual(states);
  expect(new Set(pulled.states.map((one) => one.gateway))).toEqual(new Set(["a"]));
  expect((await first.pull("a", 0)).states).toEqual([]);
});

test("the epoch changes whenever the server lost any key, evicted or flushed", async () => {
  const store = await connect();
  const epochs: string[] = [];
  const recordEpochs = async (): Promise<void> => {
    await store.publish("a", new Map([["acme", state(1)]]));
    epochs.push((await store.pull("b", 0)).epoch, (await store.pull("b", 0)).epoch);
  };
  await recordEpochs();
  const keys = (await onRedis((client) => client.keys("*"))).sort();
  expect(keys).toHaveLength(3);
  for (const key of keys) {
    await onRedis((client) => client.del(key));
    expect((await store.pull("b", 0)).states).toEqual([]);
    await recordEpochs();
  }
  await onRedis((client) => client.flushAll());
  await recordEpochs();
  expect(new Set(epochs).size).toBe(5);
  for (let i = 0; i < epochs.length; i += 2) expect(epochs[i]).toBe(epochs[i + 1]);
  expect((await store.pull("b", 0)).states).toHaveLength(1);
});

test("prune deletes expired states and gateways and keeps the others", async () => {
  const store = await connect();
  await store.publish("dead", new Map([["acme", state(1)]]));
  const keys = await onRedis((client) => client.keys("*"));
  const [published, gateways] = ["told", "gateways"].map((end) => keys.find((key) => key.endsWith(end))!);
  await onRedis(async (client) => {
    await client.zIncrBy(published!, -STATE_TTL_MS, "dead acme");
    await client.hIncrBy(gateways!, "dead", -STATE_TTL_MS);
  });
  await store.publish("alive", new Map([["acme", state(2)]]));
  await store.prune();
  const pulled = await store.pull("b", 0);
  expect(pulled.states).toMatchObject([{ gateway: "alive", subject: "acme" }]);
  expect(await onRedis((client) => client.hExists(gateways!, "dead"))).toBeFalsy();
  expect(await onRedis((client) => client.pTTL(published!))).toBeGreaterThan(STATE_TTL_MS / 2);
});

test("calls fail at once while the server hangs or is gone, and work again when it is back", async () => {
  const store = await connect();
  const { epoch } = await store.pull("a", 0);
  process.kill(redis.pid(), "SIGSTOP");
  await expect(store.pull("a", 0)).rejects.toThrow();
  await expect(store.pull("a", 0)).rejects.toThrow();
  process.kill(redis.pid(), "SIGCONT");
  const works = () => store.pull("a", 0).catch(() => null);
  await until("a response of the resumed Redis", works);
  await redis.kill();
  await expect(store.publish("a", new Map())).rejects.toThrow();
  await redis.restart();
  const pulled = await until("a response of the new Redis", works);
  expect(pulled.epoch).not.toBe(epoch);
});
