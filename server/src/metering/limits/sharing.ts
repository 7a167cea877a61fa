import { randomBytes } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { DatabaseLog } from "../../platform/db/embedded.ts";
import type { Account, AccountState } from "./account.ts";
import type { Cap, CapState } from "./cap.ts";
import type { Registry } from "./registry.ts";
import type { LimitsStore, Told } from "./store.ts";

const SHARE_MS = 250;
/** So often while no other gateway is there to hear it. */
const ALONE_SHARE_MS = 2_000;
/** Nothing heard for longer: the others' part is left to them. */
const DEAF_MS = 5_000;
const PRUNE_MS = 60_000;
const WINDOW_MS = 60_000;
/** What was being written while we read is read again. */
const OVERLAP_MS = 2_000;
const KEPT_MS = 26 * 3_600_000;

/** Keeps gateways on one database aware of each other's use, a quarter of a second late, and never while a request waits. */
export class Sharing {
  readonly #registry: Registry;
  readonly #store: LimitsStore;
  readonly #clock: Clock;
  readonly #log: DatabaseLog;
  readonly #gateway = randomBytes(8).toString("hex");
  /** What each other gateway told last, by gateway and subject. */
  readonly #known = new Map<string, { state: Told["state"]; heardAtMs: number }>();
  /** The database's clock; what was told before is known. */
  #heardUntilMs = 0;
  /** Monotonic. */
  #heardAtMs = 0;
  #nextPruneMs = 0;
  #running: Promise<void> | null = null;
  #cancel = (): void => {};

  constructor(registry: Registry, store: LimitsStore, clock: Clock, log: DatabaseLog) {
    this.#registry = registry;
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Hears what was told before this gateway began, and goes on by itself. */
  async start(): Promise<void> {
    await this.share();
    this.#schedule();
  }

  /** Settles after a round that began after the call. */
  async share(): Promise<void> {
    await this.#running?.catch(() => {});
    this.#running ??= this.#round().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.share().catch(() => {});
  }

  #schedule(): void {
    const delayMs = this.#registry.others.ids.size > 0 ? SHARE_MS : ALONE_SHARE_MS;
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#schedule();
      this.#checkHearing();
      if (this.#running !== null) return;
      this.share().catch((err) =>
        this.#log.warn({ err }, "Gateways can't tell each other of their requests"),
      );
    });
  }

  #checkHearing(): void {
    if (this.#clock.monotonicMs() - this.#heardAtMs <= DEAF_MS) return;
    this.#registry.others = { ids: this.#registry.others.ids, areHeard: false };
  }

  async #round(): Promise<void> {
    await this.#hear();
    const { accounts, others } = this.#registry;
    const nowMs = this.#clock.monotonicMs();
    const states = new Map<string, AccountState | CapState>();
    const claims: { account: Account; cap: Cap; state: CapState }[] = [];
    for (const [accountId, account] of accounts) {
      if (!account.isDirty) continue;
      account.isDirty = false;
      const state = account.claim(nowMs, others);
      states.set(accountId, state);
      claims.push({ account, cap: account.cap, state: state.cap });
      for (const [keyId, cap] of account.keys) {
        const own = cap.claim(nowMs, others);
        states.set(`${accountId}/${keyId}`, own);
        claims.push({ account, cap, state: own });
      }
    }
    try {
      await this.#store.tell(this.#gateway, states);
    } catch (error) {
      for (const { account } of claims) account.isDirty = true;
      throw error;
    }
    for (const { account, cap, state } of claims) {
      cap.settle(state);
      // A part that turns out not to be needed is given back the next time.
      if (state.ceiling > state.admitted) account.isDirty = true;
    }
    if (nowMs < this.#nextPruneMs) return;
    this.#nextPruneMs = nowMs + PRUNE_MS;
    this.#registry.prune();
    for (const [name, { heardAtMs }] of this.#known) {
      if (nowMs - heardAtMs > KEPT_MS) this.#known.delete(name);
    }
    await this.#store.prune();
  }

  async #hear(): Promise<void> {
    const isFirst = this.#heardUntilMs === 0;
    const sinceMs = isFirst ? 0 : this.#heardUntilMs - OVERLAP_MS;
    const { told, gateways, nowMs } = await this.#store.hear(this.#gateway, sinceMs);
    this.#heardUntilMs = nowMs;
    this.#heardAtMs = this.#clock.monotonicMs();
    this.#registry.others = { ids: new Set(gateways), areHeard: true };
    for (const one of told) if (one.ageMs < KEPT_MS) this.#take(one, isFirst);
  }

  #take({ subject, gateway, state, ageMs }: Told, isOld: boolean): void {
    const name = `${gateway} ${subject}`;
    const before = this.#known.get(name)?.state ?? null;
    const nowMs = this.#clock.monotonicMs();
    this.#known.set(name, { state, heardAtMs: nowMs });
    const [accountId = "", keyId] = subject.split("/");
    const isNew = !this.#registry.accounts.has(accountId);
    const account = this.#registry.account(accountId);
    if (keyId !== undefined) {
      const cap = account.keys.get(keyId);
      cap?.hear(nowMs, gateway, within(state as CapState, ageMs), before as CapState | null, isOld);
      return;
    }
    const heard = state as AccountState;
    const known = before as AccountState | null;
    const idleMinutes = Math.floor(ageMs / WINDOW_MS);
    if (isNew || isOld) account.adopt(heard.sustainedMinutes.map((minutes) => minutes - idleMinutes));
    // A gateway forgets accounts that were not in use for a day, and then counts anew.
    const isAnew = known !== null && heard.cap.admitted < known.cap.admitted;
    const told = { ...heard, cap: within(heard.cap, ageMs) };
    account.hear(nowMs, gateway, told, isAnew ? null : known, isOld);
  }
}

/** What was told long ago says nothing of the last minute. */
function within(cap: CapState, ageMs: number): CapState {
  return ageMs < WINDOW_MS ? cap : { ...cap, inWindow: 0, ceiling: cap.admitted };
}
