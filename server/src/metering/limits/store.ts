import type { Database } from "../../platform/db/database.ts";
import type { AccountState } from "./account.ts";
import type { CapState } from "./cap.ts";

/** By subject, see the table. */
export type States = ReadonlyMap<string, AccountState | CapState>;

export interface Told {
  subject: string;
  gateway: string;
  state: AccountState | CapState;
  /** How long ago. */
  ageMs: number;
}

export interface LimitsStore {
  /** What others told since `sinceMs` of the database's clock, and which of them live. */
  hear(gateway: string, sinceMs: number): Promise<{ told: Told[]; gateways: string[]; nowMs: number }>;
  /** Tells that the gateway lives, and its states. */
  tell(gateway: string, states: States): Promise<void>;
  /** Removes what is too old to matter to anyone. */
  prune(): Promise<void>;
}

/** A gateway that was silent for longer is taken for dead. */
const LIVES_S = 5;
/** Today's tokens, wherever the day began. */
const KEPT_H = 26;

export function limitsStore({ sql }: Pick<Database, "sql">): LimitsStore {
  return {
    async hear(gateway, sinceMs) {
      const rows = await sql<
        { subject: string; gateway: string; state: Told["state"]; at: number; now: number }[]
      >`
        select subject, gateway, state, extract(epoch from updated_at)::float8 * 1000 as at,
          extract(epoch from now())::float8 * 1000 as now
        from limit_states
        where updated_at >= to_timestamp(${sinceMs}::float8 / 1000) and gateway <> ${gateway}
        union all select '', '', 'null', 0, extract(epoch from now())::float8 * 1000`;
      const nowMs = rows[0]!.now;
      const others = rows.filter((row) => row.gateway !== "");
      return {
        nowMs,
        told: others
          .filter(({ subject }) => subject !== "")
          .map(({ at, now, ...told }) => ({ ...told, ageMs: now - at })),
        gateways: others
          .filter(({ subject, at, now }) => subject === "" && now - at < LIVES_S * 1000)
          .map((row) => row.gateway),
      };
    },
    async tell(gateway, states) {
      const all = JSON.stringify(Object.fromEntries([["", null], ...states]));
      await sql`
        insert into limit_states (subject, gateway, state, updated_at)
        select key, ${gateway}, value, clock_timestamp() from jsonb_each(${all}::text::jsonb)
        on conflict (subject, gateway) do update set state = excluded.state, updated_at = excluded.updated_at`;
    },
    async prune() {
      await sql`delete from limit_states where updated_at < now() - make_interval(hours => ${KEPT_H})`;
    },
  };
}
