import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { authorize, notFound, type Principal } from "../accounts/service.ts";
import { acceleratorQuotaId, KEY_QUOTA_PREFIX, keyIdOfQuota, MAX_INT64 } from "./quota-ids.ts";
import type { QuotaSources } from "./quota-sources.ts";
import { type Quota, QuotaBody, type UpdateQuotaQuery } from "./schema.ts";
import type { QuotaRow, QuotaStore } from "./store.ts";

/** Most keys of one account with a limit of their own. */
const MAX_KEY_QUOTAS = 200;
const ACCELERATOR = /^(?:nvidia|amd)-/;

export interface QuotaResourceDeps {
  store: QuotaStore;
  sources: QuotaSources;
  clock: Clock;
  accounts: { exists(accountId: string): Promise<boolean> };
  /** The subset of the ids that are keys of the account. */
  existingKeys: (accountId: string, keyIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Default limit of an account, and of a key that gets a limit. */
  requestsPerMinute: number;
  region: string | null;
  /** Limits by quota id that apply while neither the account nor the operator has set one. */
  defaults: ReadonlyMap<string, bigint>;
  /** Reloads the quotas that this process applies. */
  refresh: () => Promise<void>;
}

/** Quotas as clients see and change them. */
export class QuotaResource {
  readonly #deps: QuotaResourceDeps;
  readonly #store: QuotaStore;

  constructor(deps: QuotaResourceDeps) {
    this.#deps = deps;
    this.#store = deps.store;
  }

  async list(principal: Principal, accountId: string, query: ListQuery) {
    await this.#prepare(principal, accountId);
    const { rows, nextPageToken, totalSize } = await this.#store.list(query, accountId);
    return { quotas: await this.#toQuotas(accountId, rows), nextPageToken, totalSize };
  }

  async get(principal: Principal, accountId: string, id: string): Promise<Quota> {
    await this.#prepare(principal, accountId);
    const row = await this.#store.get(accountId, id);
    if (row === null) throw notFound(titleOf(accountId, id));
    return (await this.#toQuotas(accountId, [row]))[0]!;
  }

  async update(
    principal: Principal,
    accountId: string,
    id: string,
    { allowMissing, updateMask }: UpdateQuotaQuery,
    body: QuotaBody,
  ): Promise<Quota> {
    await this.#prepare(principal, accountId);
    authorize(principal, accountId, "admin", titleOf(accountId, id));
    const paths = updatePaths(updateMask, body, QuotaBody);
    const { sources, clock } = this.#deps;
    const change = (row: QuotaRow): QuotaRow => {
      const { value, maxValue } = mergePatch<QuotaBody>(bodyOf(row), body, paths);
      const next = { ...row, updateTime: new Date(clock.now()) };
      if (paths.includes("maxValue") && maxValue !== bodyOf(row).maxValue) {
        if (!principal.isOperator) {
          throw new AppError("FORBIDDEN", "Only the operator of the platform changes maxValue.");
        }
        if (sources.of(id)?.maxOf !== undefined) {
          throw badRequest("maxValue", "maxValue follows from the account's tier; see its billing.");
        }
        next.maxValue = maxValue === undefined ? null : parseAmount("maxValue", maxValue);
      }
      if (paths.includes("value")) next.value = value === undefined ? null : parseAmount("value", value);
      if (next.value !== null && paths.includes("value") && next.value > maxValueOf(next)) {
        throw badRequest("value", `value must be at most maxValue, ${maxValueOf(next)}.`);
      }
      return next;
    };
    const keyId = keyIdOfQuota(id);
    if (allowMissing && keyId !== null) await this.#ensureKeyQuota(accountId, id, keyId);
    const row = await this.#store.change(accountId, id, change);
    if (row === null) throw notFound(titleOf(accountId, id));
    await sources.of(id)?.onSet?.(accountId, row.value);
    await this.#deps.refresh();
    return (await this.#toQuotas(accountId, [row]))[0]!;
  }

  /**
   * Checks that the principal may read the account's quotas, and brings the rows up to date.
   * @throws AppError NOT_FOUND.
   */
  async #prepare(principal: Principal, accountId: string): Promise<void> {
    const account = `Account accounts/${accountId}`;
    authorize(principal, accountId, "read", account);
    const { accounts, sources, clock } = this.#deps;
    if (!(await accounts.exists(accountId))) throw notFound(account);
    const defaults = new Map(this.#deps.defaults);
    for (const [id, { maxOf }] of sources.entries()) {
      if (maxOf !== undefined) defaults.set(id, (await maxOf(accountId)) ?? MAX_INT64);
    }
    await this.#store.ensure(accountId, defaults, new Date(clock.now()));
    await this.#removeStaleKeyQuotas(accountId);
  }

  /** Deletes the limits of keys that don't exist any more. */
  async #removeStaleKeyQuotas(accountId: string): Promise<void> {
    const ids = await this.#store.idsWithPrefix(accountId, KEY_QUOTA_PREFIX);
    if (ids.length === 0) return;
    const keyIds = await this.#deps.existingKeys(
      accountId,
      ids.map((id) => keyIdOfQuota(id) ?? ""),
    );
    const stale = ids.filter((id) => !keyIds.has(keyIdOfQuota(id) ?? ""));
    if (stale.length > 0) await this.#store.remove(accountId, stale);
  }

  async #ensureKeyQuota(accountId: string, id: string, keyId: string): Promise<void> {
    if ((await this.#store.get(accountId, id)) !== null) return;
    if (!(await this.#deps.existingKeys(accountId, [keyId])).has(keyId)) return;
    if ((await this.#store.idsWithPrefix(accountId, KEY_QUOTA_PREFIX)).length >= MAX_KEY_QUOTAS) {
      throw new AppError(
        "FAILED_PRECONDITION",
        `At most ${MAX_KEY_QUOTAS} API keys of an account can have a limit of their own.`,
      );
    }
    const defaults = new Map([[id, BigInt(this.#deps.requestsPerMinute)]]);
    await this.#store.ensure(accountId, defaults, new Date(this.#deps.clock.now()));
  }

  async #toQuotas(accountId: string, rows: readonly QuotaRow[]): Promise<Quota[]> {
    const { sources, region } = this.#deps;
    const accelerators = new Map(
      [...(await sources.acceleratorsOf(accountId))].map(([type, count]) => [
        acceleratorQuotaId(type, region),
        count,
      ]),
    );
    return Promise.all(
      rows.map(async (row) => {
        const usage = ACCELERATOR.test(row.id)
          ? (accelerators.get(row.id) ?? 0)
          : await sources.of(row.id)?.usageOf?.(accountId);
        return {
          name: `accounts/${accountId}/quotas/${row.id}`,
          value: String(effectiveValue(row)),
          maxValue: String(maxValueOf(row)),
          ...(usage === undefined ? {} : { usage }),
          updateTime: row.updateTime.toISOString(),
        };
      }),
    );
  }
}

function maxValueOf({ maxValue, defaultValue }: QuotaRow): bigint {
  return maxValue ?? defaultValue;
}

/** The limit in force. */
export function effectiveValue(row: QuotaRow): bigint {
  const maxValue = maxValueOf(row);
  return row.value === null || row.value > maxValue ? maxValue : row.value;
}

function bodyOf(row: QuotaRow): QuotaBody {
  return { value: String(effectiveValue(row)), maxValue: String(maxValueOf(row)) };
}

/** @throws AppError BAD_REQUEST naming the field. */
function parseAmount(field: string, text: string): bigint {
  const value = BigInt(text);
  if (value >= 0n && value <= MAX_INT64) return value;
  throw badRequest(field, `${field} must be from 0 to ${MAX_INT64}.`);
}

function titleOf(accountId: string, id: string): string {
  return `Quota accounts/${accountId}/quotas/${id}`;
}
