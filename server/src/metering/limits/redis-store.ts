import { randomBytes } from "node:crypto";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { type LimitsStore, PEER_TIMEOUT_MS, type PeerState, type PullResult, STATE_TTL_MS } from "./port.ts";

// The keys share a hash tag, so that a Redis cluster keeps them on one node, as scripts require.

/** Hash: `{gateway} {subject}` → state, and `epoch` → the epoch. */
const STATES = "{hearth:limits}:states";
/** Sorted set: `{gateway} {subject}`, scored by the time of publication. */
const PUBLISHED = "{hearth:limits}:told";
/** Hash: gateway → time of its last publication, and `epoch` → the epoch. */
const GATEWAYS = "{hearth:limits}:gateways";

/** Defines `now`: the server's clock in milliseconds. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/**
 * Defines `epoch`. If any of the keys is missing or was replaced, the server has lost states: deletes the rest and
 * begins the new epoch that is given as the first argument.
 */
const EPOCH = `${NOW}
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch or redis.call('HGET', KEYS[3], 'epoch') ~= epoch or redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', unpack(KEYS))
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('HSET', KEYS[3], 'epoch', epoch)
end`;

/** Further arguments: time to live in ms, gateway, then names and states alternating. */
const PUBLISH_SCRIPT = `${EPOCH}
redis.call('HSET', KEYS[3], ARGV[3], now)
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], now, ARGV[i])
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end`;

/** Further argument: earliest time of publication. */
const PULL_SCRIPT = `${EPOCH}
local published = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], '+inf', 'WITHSCORES')
local states = {}
for i = 1, #published, 2 do states[#states + 1] = redis.call('HGET', KEYS[1], published[i]) or '' end
return {now, epoch, published, states, redis.call('HGETALL', KEYS[3])}`;

/** Arguments: time to live of states and of gateways in ms, most states to delete. */
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

/** Most states per script call: Redis serves no other client while a script runs. */
const BATCH = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** The socket counts as dead after this long without traffic; each gateway sends a command four times a second. */
const SILENCE_TIMEOUT_MS = 2_000;
const MAX_RETRY_MS = 1_000;

type PullResponse = [now: number, epoch: string, published: string[], states: string[], gateways: string[]];

/**
 * Store on Redis 6 or later, or a server that speaks its protocol. While the server can't be reached every call fails
 * at once, and the client reconnects in the background.
 * @throws Error when the server can't be used; the message gives the reason and contains no secret.
 */
export async function redisStore(url: string, log: BasicLog): Promise<LimitsStore> {
  // Loaded only when used: most installations have no Redis.
  const { createClient } = await import("@redis/client");
  let isOpen = false;
  /** Part of the epoch, because a server may lose states, or be another server, after a reconnect. */
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
    client.eval(script, { keys: [STATES, PUBLISHED, GATEWAYS], arguments: [...args] });
  const store: LimitsStore = {
    async pull(gateway, sinceMs) {
      const response = (await run(PULL_SCRIPT, [newEpoch(), `${sinceMs}`])) as PullResponse;
      return toPullResult(response, gateway, connections);
    },
    async publish(gateway, states) {
      // The heartbeat has an entry too, so that the sorted set exists and the epoch lasts.
      const entries = [[`${gateway} `, "null"]];
      for (const [subject, state] of states) entries.push([`${gateway} ${subject}`, JSON.stringify(state)]);
      for (let i = 0; i < entries.length; i += BATCH) {
        const batch = entries.slice(i, i + BATCH).flat();
        await run(PUBLISH_SCRIPT, [newEpoch(), `${STATE_TTL_MS}`, gateway, ...batch]);
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
    throw new Error(messageOf(error, new URL(url).host));
  }
  isOpen = true;
  return store;
}

function newEpoch(): string {
  return randomBytes(8).toString("hex");
}

function toPullResult(
  [nowMs, epoch, published, states, gateways]: PullResponse,
  gateway: string,
  connections: number,
): PullResult {
  const result: PullResult = { nowMs, epoch: `${connections} ${epoch}`, states: [], gateways: [] };
  for (const [i, state] of states.entries()) {
    const [publisher = "", subject = ""] = published[2 * i]!.split(" ");
    if (publisher === gateway || subject === "" || state === "") continue;
    result.states.push({
      subject,
      gateway: publisher,
      state: JSON.parse(state) as PeerState["state"],
      ageMs: nowMs - Number(published[2 * i + 1]),
    });
  }
  for (let i = 0; i < gateways.length; i += 2) {
    const id = gateways[i]!;
    const publishedAtMs = Number(gateways[i + 1]);
    if (id !== "epoch" && id !== gateway && nowMs - publishedAtMs < PEER_TIMEOUT_MS)
      result.gateways.push({ id, publishedAtMs });
  }
  return result;
}

/** @param host host and port of the URL: the whole URL contains the password. */
function messageOf(error: unknown, host: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = message.split("\n")[0]!;
  if (/^(WRONGPASS|NOAUTH)|AUTH/.test(reason)) return `${host} refuses the name or the password (${reason})`;
  return `Redis at ${host} can't be used: ${code !== undefined && !reason.includes(code) ? `${code} ` : ""}${reason}`;
}
