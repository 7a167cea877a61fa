import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { type HttpResponse, type SendOptions, send } from "../../../test/harness/http.ts";
import { FakeClock } from "../../lib/clock.ts";
import { newApiKey } from "../../lib/ids.ts";
import { platformSecret } from "../../platform/db/secrets.ts";
import { type ResourceHooks, type ResourceRoute, registerResources } from "../../platform/http/resources.ts";
import { createHttpServer } from "../../platform/http/server.ts";
import { createLog } from "../../platform/telemetry/log.ts";
import { accountRoutes } from "../accounts/routes.ts";
import { type Accounts, createAccounts, type Principal, type Role } from "../accounts/service.ts";
import { userRoutes } from "../users/routes.ts";
import { createUsers, type Users } from "../users/service.ts";
import { apiKeyRoutes } from "./routes.ts";
import { type ApiKeys, createApiKeys } from "./service.ts";

/** A user with an API key. */
export interface TestUser {
  key: string;
  principal: Principal;
}

export interface Tenants {
  database: TestDatabase;
  clock: FakeClock;
  /** Key for page tokens of other services. */
  tokenSecret: Buffer;
  accounts: Accounts;
  users: Users;
  keys: ApiKeys;
  /** The operator of the platform, in the account `local`. */
  operator: TestUser;
  /** Creates a user, and the account when absent. */
  addUser(accountId: string, userId: string, role: Role): Promise<TestUser>;
  /** Sends a request. @param key null: no key. */
  call(
    key: string | null,
    method: string,
    path: string,
    body?: unknown,
    options?: SendOptions,
  ): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** Accounts, users and keys on a fresh database, and over HTTP together with `routes`. `hooks` is called after `routes`. */
export async function startTenants(
  routes: (
    tenants: Omit<Tenants, "call" | "close">,
  ) => readonly ResourceRoute[] | Promise<readonly ResourceRoute[]> = () => [],
  hooks: (database: TestDatabase, clock: FakeClock) => ResourceHooks = () => ({}),
): Promise<Tenants> {
  const database = await testDatabase();
  const clock = new FakeClock();
  const tokenSecret = await platformSecret(database, "page-token");
  const accounts = createAccounts({ database, clock, tokenSecret });
  const users = createUsers({ database, accounts, clock, tokenSecret });
  const keys = await createApiKeys({ database, users, clock, log: silentLog, tokenSecret });
  const apiKey = newApiKey();
  await keys.bootstrap({ accountId: "local", apiKey, keyFile: "unused" });
  const operator = { key: apiKey, principal: keys.authenticate(`Bearer ${apiKey}`) };

  async function addUser(accountId: string, userId: string, role: Role): Promise<TestUser> {
    await accounts.ensure(accountId);
    const email = `${userId}@${accountId}.example`;
    await users.create(operator.principal, accountId, userId, { role, email });
    const { key = "" } = await keys.create(operator.principal, accountId, userId, {});
    return { key, principal: keys.authenticate(`Bearer ${key}`) };
  }

  const tenants = { database, clock, tokenSecret, accounts, users, keys, operator, addUser };
  const resourceRoutes = await routes(tenants);
  const server = await createHttpServer<Principal>({
    clock,
    log: createLog("silent"),
    authenticate: keys.authenticate,
    rawRoutes: [],
    register(app) {
      const all = [
        ...accountRoutes(accounts),
        ...userRoutes(users),
        ...apiKeyRoutes(keys),
        ...resourceRoutes,
      ];
      registerResources(app, all, hooks(database, clock));
    },
  });
  const port = await server.listen(0, "127.0.0.1");
  return {
    ...tenants,
    call: (key, method, path, body, options) =>
      send({ port, apiKey: key }, path, { method, body, ...options }),
    async close() {
      await server.close(1_000);
      await keys.close();
      await database.drop();
    },
  };
}
