import { describe, expect, test } from "vitest";
import { AppError } from "../../lib/errors.ts";
import { authorize, canSee, type Permission, type Principal, ROLES, visibility } from "./principal.ts";

function principal(changes: Partial<Principal> = {}): Principal {
  return { accountId: "acme", keyId: "k", userId: "alice", role: "user", isOperator: false, ...changes };
}

/** Code and message of the refusal; null: allowed. */
function refusal(check: () => void): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.message}`;
    throw error;
  }
}

const RIGHTS: readonly Permission[] = ["read", "write", "admin", "inference"];

describe("authorization", () => {
  test("gives each role exactly its permissions", () => {
    const table = Object.fromEntries(
      ROLES.map((role) => [
        role,
        RIGHTS.filter((right) => refusal(() => authorize(principal({ role }), "acme", right, "X")) === null),
      ]),
    );
    expect(table).toEqual({
      admin: ["read", "write", "admin", "inference"],
      user: ["read", "write", "inference"],
      contributor: ["read", "write", "inference"],
      "inference-user": ["read", "inference"],
    });
  });

  test("lets contributors change only their own resources, and other roles with the permission all", () => {
    const change = (role: Principal["role"], createdBy: string | null) =>
      refusal(() => authorize(principal({ role }), "acme", "write", "X", createdBy));
    expect(change("contributor", "alice")).toBeNull();
    expect(change("contributor", "bob")).toMatch(/^FORBIDDEN/);
    expect(change("contributor", null)).toMatch(/^FORBIDDEN/);
    expect(change("user", "bob")).toBeNull();
    expect(change("admin", null)).toBeNull();
  });

  test("answers NOT_FOUND for another account, for every role and permission", () => {
    for (const role of ROLES) {
      for (const right of RIGHTS) {
        expect(refusal(() => authorize(principal({ role }), "other", right, "Model m"))).toBe(
          "NOT_FOUND Model m not found.",
        );
      }
    }
  });

  test("lets the operator act everywhere, and nobody else change the library account, not even its members", () => {
    const operator = principal({ role: "admin", isOperator: true });
    for (const accountId of ["acme", "other", "fireworks"]) {
      for (const right of RIGHTS)
        expect(refusal(() => authorize(operator, accountId, right, "X", null))).toBeNull();
    }
    for (const accountId of ["acme", "fireworks"]) {
      const admin = principal({ accountId, role: "admin" });
      for (const right of ["write", "admin"] as const) {
        expect(refusal(() => authorize(admin, "fireworks", right, "X"))).toMatch(/^FORBIDDEN/);
      }
    }
  });
});

test("callers see resources of their own account and public ones, and the operator sees all", () => {
  const alice = principal({ role: "inference-user" });
  expect(canSee(alice, "acme", false)).toBe(true);
  expect(canSee(alice, "other", false)).toBe(false);
  expect(canSee(alice, "other", true)).toBe(true);
  expect(canSee(principal({ isOperator: true }), "other", false)).toBe(true);
  expect([visibility(alice, "acme"), visibility(alice, "other")]).toEqual(["all", "public"]);
});
