import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { auditRoutes } from "./routes.ts";
import { type Audit, createAudit } from "./service.ts";

const LOG = "/v1/accounts/acme/auditLogs";

let t: Tenants;
let audit: Audit;
let admin: TestUser;
let member: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  t = await startTenants(
    ({ database, clock, tokenSecret }) => {
      audit = createAudit({ database, clock, log: silentLog, tokenSecret, retentionDays: 30 });
      return auditRoutes(audit);
    },
    () => ({ audit: audit.record }),
  );
  admin = await t.addUser("acme", "root", "admin");
  member = await t.addUser("acme", "bob", "user");
  stranger = await t.addUser("evil", "mallory", "admin");
});
afterAll(async () => {
  audit.close();
  await t.close();
});

const entries = async (filter = "") =>
  (await t.call(t.operator.key, "GET", `${LOG}?pageSize=200&filter=${encodeURIComponent(filter)}`)).json
    .auditLogs;

test("the audit log records the user, key, operation and outcome of every request that could change something", async () => {
  const before = (await entries()).length;
  const user = { role: "user", email: "new@acme.example" };
  const made = await t.call(admin.key, "POST", "/v1/accounts/acme/users?userId=new", user);
  const refused = await t.call(member.key, "POST", "/v1/accounts/acme/users?userId=more", user);
  const bad = await t.call(admin.key, "POST", "/v1/accounts/acme/users?userId=bad", { surprise: 1 });
  await t.call(t.operator.key, "PATCH", "/v1/accounts/acme/users/new", { displayName: "New" });
  await t.call(admin.key, "GET", "/v1/accounts/acme/users");
  expect([made.status, refused.status, bad.status]).toEqual([200, 403, 400]);
  const all = await entries();
  expect(all.length).toBe(before + 4);
  expect(all).toEqual(
    expect.arrayContaining([
      {
        name: expect.stringMatching(/^accounts\/acme\/auditLogs\/[0-9a-f]{32}$/),
        createTime: "2026-01-01T00:00:00.000Z",
        actor: "accounts/acme/users/root",
        keyId: admin.principal.keyId,
        operation: "createUser",
        resource: "accounts/acme/users/new",
        outcome: "OK",
        requestId: made.headers["x-request-id"],
      },
      expect.objectContaining({
        actor: "accounts/acme/users/bob",
        resource: "accounts/acme/users",
        outcome: "FORBIDDEN",
      }),
      expect.objectContaining({ actor: "accounts/acme/users/root", outcome: "BAD_REQUEST" }),
      expect.objectContaining({
        actor: "accounts/local/users/operator",
        operation: "updateUser",
        outcome: "OK",
      }),
    ]),
  );
  expect(await entries('outcome = "FORBIDDEN" AND actor:bob')).toHaveLength(1);
});

test("the audit log contains no API keys and no entries of other accounts' users", async () => {
  const before = (await entries()).length;
  const { json } = await t.call(admin.key, "POST", "/v1/accounts/acme/apiKeys", {
    apiKey: { displayName: "secret-label" },
  });
  expect(json.key).toMatch(/^fw_/);
  expect((await t.call(stranger.key, "DELETE", "/v1/accounts/acme/users/new")).status).toBe(404);
  const all = await entries();
  expect(all.length).toBe(before + 1);
  expect(JSON.stringify(all)).not.toMatch(/fw_|secret-label/);
  const ownLog = await t.call(stranger.key, "GET", "/v1/accounts/evil/auditLogs");
  expect(ownLog.json.auditLogs).toMatchObject([{ operation: "deleteUser", outcome: "NOT_FOUND" }]);
});

test("the audit log is for the account's admins and has pages like every list", async () => {
  expect((await t.call(null, "GET", LOG)).status).toBe(401);
  expect((await t.call(member.key, "GET", LOG)).status).toBe(403);
  expect((await t.call(stranger.key, "GET", LOG)).status).toBe(404);
  const first = (await t.call(admin.key, "GET", `${LOG}?pageSize=2&readMask=name`)).json;
  const next = (
    await t.call(admin.key, "GET", `${LOG}?pageSize=2&readMask=name&pageToken=${first.nextPageToken}`)
  ).json;
  const names = [...first.auditLogs, ...next.auditLogs].map(({ name }: { name: string }) => name);
  expect(new Set(names).size).toBe(4);
  expect((await t.call(admin.key, "GET", `${LOG}?filter=secret=1`)).status).toBe(400);
});

test("a resource name that looks like an API key is masked in the audit log", async () => {
  const key = `fw_${"secret".repeat(6)}`;
  await t.call(admin.key, "DELETE", `/v1/accounts/acme/users/${key}`);
  const [entry] = await entries('operation = "deleteUser"');
  expect(entry.resource).toBe("accounts/acme/users/fw_…");
});

test("expired entries of all accounts are deleted, and a clock that is ahead deletes no others", async () => {
  const [now] = await t.database.sql<{ ms: number }[]>`select extract(epoch from now())::float8 * 1000 as ms`;
  const nowMs = Math.min(now!.ms, t.clock.now());
  const at = async (ageDays: number) => {
    const time = new Date(nowMs - ageDays * 24 * 3_600_000);
    const id = time.getTime().toString(16).padStart(12, "0") + randomBytes(10).toString("hex");
    await t.database.sql`insert into audit_log values (
      ${id}, ${`aged-${ageDays}`}, 'acme', 'root', 'key', 'createUser', 'accounts/acme/users/x', 'OK', 'r', ${time.toISOString()})`;
  };
  const remainingAccounts = async () =>
    (await t.database.sql`select account_id from audit_log where account_id like 'aged-%' order by 1`).map(
      (row) => row["account_id"],
    );
  for (const days of [31, 29, 400]) await at(days);
  await audit.expire();
  expect(await remainingAccounts()).toEqual(["aged-29"]);
  const ahead = createAudit({
    database: t.database,
    log: silentLog,
    tokenSecret: t.tokenSecret,
    retentionDays: 30,
    clock: new FakeClock(now!.ms + 100 * 365 * 24 * 3_600_000),
  });
  await t.database.sql`insert into audit_log values (
    'ffffffffffff', 'aged-0', 'acme', 'root', 'key', 'createUser', 'accounts/acme/users/x', 'OK', 'r', now())`;
  await ahead.expire();
  ahead.close();
  expect(await remainingAccounts()).toContain("aged-0");
});

test("entries of the audit log can't be changed or deleted", async () => {
  await t.database.sql`select set_config('hearth.audit_expired_before', '2020-01-01', false)`;
  for (const change of [
    "update audit_log set outcome = 'OK'",
    "delete from audit_log",
    "truncate audit_log",
  ]) {
    await expect(t.database.sql.unsafe(change)).rejects.toThrow(/append-only/);
  }
});
