import { afterAll, beforeAll, expect, test } from "vitest";
import { startTenants, type Tenants } from "../api-keys/testing.ts";

let t: Tenants;
beforeAll(async () => {
  t = await startTenants();
});
afterAll(() => t.close());

test("smoke", async () => {
  const admin = await t.someone("acme", "alice", "admin");
  const r = await t.call(admin.key, "POST", "/v1/accounts/acme/users?userId=bob", { role: "user", email: "bob@x.y" });
  console.log(r.status, r.text);
  console.log((await t.call(admin.key, "GET", "/v1/accounts/acme/users?pageSize=1&orderBy=name&readMask=name,email")).text);
  console.log((await t.call(admin.key, "PATCH", "/v1/accounts/acme/users/bob?updateMask=role", { role: "admin" })).text);
  console.log((await t.call(admin.key, "GET", "/v1/accounts?filter=name%3D%22accounts/acme%22", undefined)).text);
  console.log((await t.call(admin.key, "GET", "/v1/accounts/acme/apiKeys", undefined)).text);
});
