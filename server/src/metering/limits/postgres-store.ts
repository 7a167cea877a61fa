import type { Database } from "../../platform/db/database.ts";
import { type LimitsStore, PEER_TIMEOUT_MS, type PeerState, STATE_TTL_MS } from "./port.ts";

/** Store in a table of the database that the gateways share. */
export function postgresStore({ sql }: Pick<Database, "sql">): LimitsStore {
  return {
    async pull(gateway, sinceMs) {
      const rows = await sql<
        { subject: string; gateway: string; state: PeerState["state"]; at: number; now: number }[]
      >`
        select subject, gateway, state, extract(epoch from updated_at)::float8 * 1000 as at,
          extract(epoch from now())::float8 * 1000 as now
        from limit_states
        where gateway <> ${gateway} and (updated_at >= to_timestamp(${sinceMs}::float8 / 1000)
          or subject = '' and updated_at > now() - make_interval(secs => ${PEER_TIMEOUT_MS / 1000}))
        union all select '', '', 'null', 0, extract(epoch from now())::float8 * 1000`;
      // The last row has no gateway: it carries the clock when there is no other row.
      const peerRows = rows.filter((row) => row.gateway !== "");
      return {
        nowMs: rows[0]!.now,
        // PostgreSQL does not lose committed rows, so the epoch never changes.
        epoch: "",
        states: peerRows
          .filter(({ subject }) => subject !== "")
          .map(({ at, now, ...peerState }) => ({ ...peerState, ageMs: now - at })),
        gateways: peerRows
          .filter(({ subject, at, now }) => subject === "" && now - at < PEER_TIMEOUT_MS)
          .map((row) => ({ id: row.gateway, publishedAtMs: row.at })),
      };
    },
    async publish(gateway, states) {
      const all = JSON.stringify(Object.fromEntries([["", null], ...states]));
      await sql`
        insert into limit_states (subject, gateway, state, updated_at)
        select key, ${gateway}, value, clock_timestamp() from jsonb_each(${all}::text::jsonb)
        on conflict (subject, gateway) do update set state = excluded.state, updated_at = excluded.updated_at`;
    },
    async prune() {
      await sql`delete from limit_states where updated_at < now() - make_interval(secs => ${STATE_TTL_MS / 1000})`;
    },
    async close(gateway) {
      await sql`delete from limit_states where subject = '' and gateway = ${gateway}`;
    },
  };
}
