import { randomBytes } from "node:crypto";
import type { DatabaseLog } from "../../platform/db/embedded-postgres.ts";
import { type LimitsStore, PEER_TIMEOUT_MS, type PeerState, type PullResult, STATE_TTL_MS } from "./port.ts";

/**
 * `{gateway} {subject}` → state; the same → when it was told; gateway → when it told last. Both hashes hold the epoch too.
 * They share a hash tag, as they belong together.
 */
const [STATES, TOLD, GATEWAYS] = [
  "{hearth:limits}:states",
  "{hearth:limits}:told",
  "{hearth:limits}:gateways",
];

/** Milliseconds of the server's clock. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** The first argument is a new epoch: what the server has lost in part is worth nothing. */
const EPOCH = `${NOW}
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch or redis.call('HGET', KEYS[3], 'epoch') ~= epoch or redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', unpack(KEYS))
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('HSET', KEYS[3], 'epoch', epoch)
end`;

/** More arguments: kept, gateway, then names and states by turns. */
const PUBLISH_SCRIPT = `${EPOCH}
redis.call('HSET', KEYS[3], ARGV[3], now)
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], now, ARGV[i])
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end`;

/** More arguments: since. */
const PULL_SCRIPT = `${EPOCH}
local told = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], '+inf', 'WITHSCORES')
local states = {}
for i = 1, #told, 2 do states[#states + 1] = redis.call('HGET', KEYS[1], told[i]) or '' end
return {now, epoch, told, states, redis.call('HGETALL', KEYS[3])}`;

/** Arguments: kept, of gateways, at most. */
const PRUNE_SCRIPT = `${NOW}
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[1], 'LIMIT', 0, ARGV[3])
for _, name in ipairs(old) do
  redis.call('HDEL', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
end
local gateways = redis.call('HGETALL', KEYS[3])
for i = 1, #gateways, 2 do
  if gateways[i] ~= 'epoch' and now - gateways[i + 1] > tonumber(ARGV[2]) then redis.call('HDEL', KEYS[3], gateways[i]) end
end`;

/** So many at once, as the server does nothing else meanwhile. */
const BATCH = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** Without a byte in either direction: an answer is overdue, as something is asked four times a second. */
const SILENCE_TIMEOUT_MS = 2_000;
const MAX_RETRY_MS = 1_000;

type PullResponse = [now: number, epoch: string, told: string[], states: string[], gateways: string[]];

/**
 * Gateways on one Redis (6 or later, or what speaks its protocol) leave word for each other there. While it is gone every
 * call fails at once, and the connection is tried again.
 * @throws Error when it can't be used; the message says why and holds no secret.
 */
export async function redisStore(url: string, log: DatabaseLog): Promise<LimitsStore> {
  // Only who uses it pays for loading it.
  const { createClient } = await import("@redis/client");
  let isOpen = false;
  /** A server that was gone may have lost what it was told, and another may have taken its place. */
  let connections = 0;
  const client = createClient({
    url,
    RESP: 2,
    name: "hearth",
    disableClientInfo: true,
    disableOfflineQueue: true,
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
      reconnectStrategy: (retries) => isOpen && Math.min(MAX_RETRY_MS, 50 * 2 ** Math.min(retries, 10)),
    },
  });
  client.on("ready", () => connections++);
  client.on("error", (err: unknown) => log.debug({ err }, "The connection to Redis failed"));
  const run = (script: string, args: readonly string[]): Promise<unknown> =>
    client.eval(script, { keys: [STATES, TOLD, GATEWAYS], arguments: [...args] });
  const store: LimitsStore = {
    async pull(gateway, sinceMs) {
      const answer = (await run(PULL_SCRIPT, [newEpoch(), `${sinceMs}`])) as PullResponse;
      return toPullResult(answer, gateway, connections);
    },
    async publish(gateway, states) {
      const all = [...states].map(([subject, state]) => [`${gateway} ${subject}`, JSON.stringify(state)]);
      // Also the gateway itself, so that there is something told.
      all.unshift([`${gateway} `, "null"]);
      for (let i = 0; i < all.length; i += BATCH) {
        await run(PUBLISH_SCRIPT, [
          newEpoch(),
          `${STATE_TTL_MS}`,
          gateway,
          ...all.slice(i, i + BATCH).flat(),
        ]);
      }
    },
    async prune() {
      await run(PRUNE_SCRIPT, [`${STATE_TTL_MS}`, `${PEER_TIMEOUT_MS}`, `${BATCH}`]);
    },
    async close(gateway) {
      try {
        await client.hDel(GATEWAYS, gateway);
      } finally {
        client.destroy();
      }
    },
  };
  try {
    await client.connect();
    await store.pull("", 0);
  } catch (error) {
    client.destroy();
    throw new Error(problemOf(error, new URL(url).host));
  }
  isOpen = true;
  return store;
}

function newEpoch(): string {
  return randomBytes(8).toString("hex");
}

function toPullResult(
  [nowMs, epoch, told, states, gateways]: PullResponse,
  gateway: string,
  connections: number,
): PullResult {
  const heard: PullResult = { nowMs, epoch: `${connections} ${epoch}`, states: [], gateways: [] };
  for (const [i, state] of states.entries()) {
    const [from = "", subject = ""] = told[2 * i]!.split(" ");
    if (from === gateway || subject === "" || state === "") continue;
    const ageMs = nowMs - Number(told[2 * i + 1]);
    heard.states.push({ subject, gateway: from, state: JSON.parse(state) as PeerState["state"], ageMs });
  }
  for (let i = 0; i < gateways.length; i += 2) {
    const [id, toldAtMs] = [gateways[i]!, Number(gateways[i + 1])];
    if (id !== "epoch" && id !== gateway && nowMs - toldAtMs < PEER_TIMEOUT_MS)
      heard.gateways.push({ id, toldAtMs });
  }
  return heard;
}

/** @param host as in the URL, without name and password. */
function problemOf(error: unknown, host: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = message.split("\n")[0]!;
  if (/^(WRONGPASS|NOAUTH)|AUTH/.test(reason)) return `${host} refuses the name or the password (${reason})`;
  return `Redis at ${host} can't be used: ${code !== undefined && !reason.includes(code) ? `${code} ` : ""}${reason}`;
}
