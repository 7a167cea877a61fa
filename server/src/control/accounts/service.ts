import type { Clock } from "../../lib/clock.ts";
import { checkDisplayName } from "../../lib/display-text.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { checkNewId, randomId } from "../../lib/resource-ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import { checkEmail, idFromEmail } from "./email.ts";
import { parseThresholds } from "./notification-settings.ts";
import { authorize, canSee, LIBRARY_ACCOUNT, notFound, type Principal } from "./principal.ts";
import { type Account, AccountBody } from "./schema.ts";
import { type AccountRow, accountStore } from "./store.ts";
import { toAccount } from "./view.ts";

export { checkEmail, idFromEmail } from "./email.ts";
export {
  authorize,
  canSee,
  isAdmin,
  LIBRARY_ACCOUNT,
  notFound,
  type Permission,
  PLATFORM,
  PRINCIPALS_CHANNEL,
  type Principal,
  ROLES,
  type Role,
  visibility,
} from "./principal.ts";
export { type Account, Status } from "./schema.ts";

type SuspendState = AccountRow["suspendState"];

export interface Accounts {
  /** Suspension states, for the part that watches spending. */
  suspensions: {
    /** All suspended accounts. */
    all(): Promise<ReadonlyMap<string, SuspendState>>;
    /** Compare-and-set. @returns false when the account is no longer in the state `from`. */
    change(accountId: string, from: SuspendState, to: SuspendState): Promise<boolean>;
  };
  /** Monthly spending in micro-dollars at which accounts want an alert; only accounts that have set some. */
  spendThresholds(): Promise<ReadonlyMap<string, readonly bigint[]>>;
  /** Creates the account if it doesn't exist. Safe to call from several processes at once. */
  ensure(accountId: string): Promise<void>;
  exists(accountId: string): Promise<boolean>;
  /**
   * Creates an account; for the operator only. The default id is derived from the email address.
   * @throws AppError FORBIDDEN, BAD_REQUEST, ALREADY_EXISTS.
   */
  create(principal: Principal, accountId: string | undefined, body: AccountBody): Promise<Account>;
  /**
   * For the account's admins; only the operator may change `accountType`.
   * @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST naming the field.
   */
  update(
    principal: Principal,
    accountId: string,
    updateMask: string | undefined,
    body: AccountBody,
  ): Promise<Account>;
  /** Visible are the caller's own account and the library account; to the operator all. @throws AppError NOT_FOUND. */
  get(principal: Principal, accountId: string): Promise<Account>;
  /**
   * The caller's own account; for the operator all accounts, sorted by name after the operator's own: clients take the
   * first account for the key's.
   */
  list(
    principal: Principal,
    query: ListQuery,
  ): Promise<{ accounts: Account[]; nextPageToken: string; totalSize: number }>;
}

export function createAccounts(deps: {
  database: Pick<Database, "db">;
  clock: Clock;
  tokenSecret: Buffer;
}): Accounts {
  const store = accountStore(deps.database, deps.tokenSecret);

  async function insert(id: string, body: AccountBody): Promise<boolean> {
    const now = new Date(deps.clock.now());
    return store.insertIfAbsent({ id, ...parseFields(body), createTime: now, updateTime: now });
  }

  async function find(id: string): Promise<Account> {
    const row = await store.get(id);
    if (row === null) throw notFound(`Account accounts/${id}`);
    return toAccount(row);
  }

  return {
    suspensions: {
      all: store.suspendStates,
      change: (id, from, to) => store.changeSuspendState(id, from, to, new Date(deps.clock.now())),
    },
    async ensure(accountId) {
      await insert(accountId, {});
    },
    spendThresholds: store.spendThresholds,
    exists: async (accountId) => (await store.get(accountId)) !== null,
    async create(principal, accountId, body) {
      if (!principal.isOperator) {
        throw new AppError("FORBIDDEN", "Only the operator of the platform creates accounts.");
      }
      const { email } = parseFields(body);
      requireEmail(email);
      if (accountId !== undefined) {
        checkNewId("accountId", accountId);
        if (await insert(accountId, body)) return find(accountId);
        throw new AppError("ALREADY_EXISTS", `Account accounts/${accountId} already exists.`, {
          param: "accountId",
        });
      }
      let id = idFromEmail(email);
      while (!(await insert(id, body))) id = `${idFromEmail(email)}-${randomId()}`;
      return find(id);
    },
    async update(principal, accountId, updateMask, body) {
      const resource = `Account accounts/${accountId}`;
      authorize(principal, accountId, "admin", resource);
      const paths = updatePaths(updateMask, body, AccountBody);
      const row = await store.change(accountId, (before) => {
        const fields = parseFields(mergePatch(toAccount(before) as AccountBody, body, paths));
        // Accounts that the platform created have no address, and may keep none.
        if (fields.email !== before.email) requireEmail(fields.email);
        const next = { ...before, ...fields, updateTime: new Date(deps.clock.now()) };
        if (next.accountType !== before.accountType && !principal.isOperator) {
          throw new AppError("FORBIDDEN", "Only the operator of the platform changes accountType.");
        }
        return next;
      });
      if (row === null) throw notFound(resource);
      return toAccount(row);
    },
    async get(principal, accountId) {
      if (!canSee(principal, accountId, accountId === LIBRARY_ACCOUNT)) {
        throw notFound(`Account accounts/${accountId}`);
      }
      return find(accountId);
    },
    async list(principal, query) {
      if (query.orderBy) throw badRequest("orderBy", "Accounts are always sorted by name.");
      const page = principal.isOperator
        ? await store.listAll(query, principal.accountId)
        : await store.listOne(query, principal.accountId);
      return {
        accounts: page.rows.map(toAccount),
        nextPageToken: page.nextPageToken,
        totalSize: page.totalSize,
      };
    },
  };
}

/** The fields that clients may set. @throws AppError BAD_REQUEST naming the field. */
function parseFields({
  displayName = "",
  email = "",
  accountType = "DEVELOPER",
  notificationSettings = {},
}: AccountBody) {
  checkDisplayName("displayName", displayName);
  const spendThresholdsMicros = parseThresholds(notificationSettings);
  return { displayName, email, accountType, spendThresholdsMicros };
}

function requireEmail(email: string): void {
  if (email === "") throw badRequest("email", "email is required.");
  checkEmail("email", email);
}
