import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Role } from "../accounts/service.ts";
import { startTenants, type Tenants } from "../api-keys/testing.ts";

let t: Tenants;
beforeAll(async () => {
  t = await startTenants();
});
afterAll(() => t.close());

async function rolesIn(accountId: string): Promise<Record<string, Role>> {
  const members = (await t.users.members()).filter((member) => member.accountId === accountId);
  return Object.fromEntries(members.map(({ userId, role }) => [userId, role]));
}

/** `CODE message` of the refusal; null: no refusal. */
async function refusal(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => null,
    (error) => `${error.code} ${error.message}`,
  );
}

describe("an account keeps an admin", () => {
  test("because the last admin can't be demoted or deleted, not even by the operator", async () => {
    const root = await t.addUser("solo", "root", "admin");
    await t.addUser("solo", "alice", "user");
    for (const user of [root.principal, t.operator.principal]) {
      expect(await refusal(t.users.update(user, "solo", "root", { role: "user" }, undefined))).toMatch(
        /^FAILED_PRECONDITION/,
      );
      expect(await refusal(t.users.delete(user, "solo", "root"))).toMatch(/^FAILED_PRECONDITION/);
    }
    await t.users.update(root.principal, "solo", "alice", { role: "admin" }, undefined);
    await t.users.delete(root.principal, "solo", "root");
    expect(await rolesIn("solo")).toEqual({ alice: "admin" });
  });

  test("when two admins demote or delete each other at the same time", async () => {
    for (let round = 0; round < 10; round++) {
      const accountId = `duel-${round}`;
      const a = await t.addUser(accountId, "a", "admin");
      const b = await t.addUser(accountId, "b", "admin");
      const outcomes = await Promise.all([
        refusal(t.users.update(a.principal, accountId, "b", { role: "user" }, undefined)),
        refusal(
          round % 2 === 0
            ? t.users.update(b.principal, accountId, "a", { role: "user" }, undefined)
            : t.users.delete(b.principal, accountId, "a"),
        ),
      ]);
      expect(outcomes.filter((outcome) => outcome === null)).toHaveLength(1);
      expect(Object.values(await rolesIn(accountId))).toContain("admin");
    }
  });

  test("because an admin who was just demoted can't give roles any more", async () => {
    const root = await t.addUser("stale", "root", "admin");
    const former = await t.addUser("stale", "former", "admin");
    await t.users.update(root.principal, "stale", "former", { role: "user" }, undefined);
    // The principal of another process that has not received the notification yet.
    const stale = former.principal;
    for (const work of [
      () => t.users.update(stale, "stale", "former", { role: "admin" }, undefined),
      () => t.users.update(stale, "stale", "former", { role: "admin", displayName: "x" }, "role"),
      () => t.users.delete(stale, "stale", "root"),
    ]) {
      expect(await refusal(work())).toMatch(/^FORBIDDEN/);
    }
    expect(await rolesIn("stale")).toEqual({ root: "admin", former: "user" });
  });
});

describe("the operator", () => {
  test("stays an admin, and other admins can't change the operator's user", async () => {
    const deputy = await t.addUser("local", "deputy", "admin");
    for (const work of [
      () => t.users.update(deputy.principal, "local", "operator", { role: "user" }, undefined),
      () => t.users.update(deputy.principal, "local", "operator", { email: "deputy@x.example" }, undefined),
      () => t.users.delete(deputy.principal, "local", "operator"),
    ]) {
      expect(await refusal(work())).toMatch(/^FORBIDDEN/);
    }
    const { principal } = t.operator;
    for (const work of [
      () => t.users.update(principal, "local", "operator", { role: "user" }, undefined),
      () => t.users.delete(principal, "local", "operator"),
    ]) {
      expect(await refusal(work())).toMatch(/^FAILED_PRECONDITION/);
    }
    const renamed = await t.users.update(principal, "local", "operator", { displayName: "Ops" }, undefined);
    expect(renamed).toMatchObject({ displayName: "Ops", role: "admin" });
  });
});

describe("a request of a user who is no admin", () => {
  test("never raises the user's own role, whatever its body and mask contain", async () => {
    const people = await Promise.all(
      (["user", "contributor", "inference-user"] as const).map((role) =>
        t.addUser("closed", `a-${role}`, role),
      ),
    );
    await t.addUser("closed", "root", "admin");
    const before = await rolesIn("closed");
    const body = fc.record(
      {
        role: fc.constantFrom("admin", "user", "custom", ""),
        displayName: fc.constantFrom("x", "admin"),
        email: fc.constantFrom("x@y.example", "root@closed.example"),
        serviceAccount: fc.boolean(),
        permissionPreset: fc.constantFrom("", "admin"),
        isOperator: fc.constant(true),
        is_operator: fc.constant(true),
        name: fc.constant("accounts/closed/users/root"),
      },
      { requiredKeys: [] },
    );
    const mask = fc.option(
      fc
        .subarray(["role", "displayName", "display_name", "email", "serviceAccount", "isOperator", "*"])
        .map((paths) => paths.join(",")),
      { nil: undefined },
    );
    const user = fc.constantFrom(...people);
    const userIds = fc.constantFrom(...Object.keys(before), "operator");
    await fc.assert(
      fc.asyncProperty(user, userIds, body, mask, async ({ principal }, userId, changes, updateMask) => {
        await refusal(t.users.update(principal, "closed", userId, changes, updateMask));
        expect(await rolesIn("closed")).toEqual(before);
      }),
      { numRuns: 200 },
    );
  });

  test("can't create or delete users", async () => {
    for (const role of ["user", "contributor", "inference-user"] as const) {
      const { principal } = await t.addUser("plain", `a-${role}`, role);
      const body = { role: "admin", email: "new@x.example" };
      expect(await refusal(t.users.create(principal, "plain", "new", body))).toMatch(/^FORBIDDEN/);
      expect(await refusal(t.users.delete(principal, "plain", `a-${role}`))).toMatch(/^FORBIDDEN/);
    }
  });
});

test("an account at its limits accepts no more users and keys", async () => {
  const root = await t.addUser("full", "root", "admin");
  await t.database.sql`
    insert into users (account_id, id, display_name, email, role, service_account, is_operator, create_time, update_time)
    select 'full', 'u' || i, '', '', 'user', false, false, now(), now() from generate_series(2, 10000) as i`;
  const body = { role: "user" };
  expect(await refusal(t.users.create(root.principal, "full", "one-more", body))).toMatch(
    /^FAILED_PRECONDITION/,
  );
  await t.users.delete(root.principal, "full", "u2");
  expect(await refusal(t.users.create(root.principal, "full", "one-more", body))).toBeNull();
  await t.database.sql`
    insert into api_keys (id, account_id, user_id, display_name, prefix, digest, annotations, create_time)
    select 'k' || i, 'full', 'root', '', '', 'd' || i, '{}', now() from generate_series(2, 10000) as i`;
  expect(await refusal(t.keys.create(root.principal, "full", null, {}))).toMatch(/^FAILED_PRECONDITION/);
});

test("a list of users follows its filter and order", async () => {
  await t.addUser("listed", "root", "admin");
  for (const id of ["u1", "u2", "u3"]) await t.addUser("listed", id, "user");
  const list = (query: object) => t.users.list(t.operator.principal, "listed", query);
  const names = async (query: object) => (await list(query)).users.map(({ name }) => name.split("/").at(-1));
  expect(await names({ filter: 'role = "user"', orderBy: "name desc" })).toEqual(["u3", "u2", "u1"]);
  expect(await names({ filter: 'email = "u2@listed.example"' })).toEqual(["u2"]);
  expect(await refusal(list({ filter: 'role = "king"' }))).toMatch(/^BAD_REQUEST/);
  expect(await refusal(list({ filter: "isOperator = true" }))).toMatch(/^BAD_REQUEST/);
});
