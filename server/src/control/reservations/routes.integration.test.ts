import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpResponse } from "../../../test/harness/http.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { reservationRoutes } from "./routes.ts";
import { createReservations, type Reservations } from "./service.ts";

const PATH = "/v1/accounts/acme/reservations";
const H100 = { acceleratorType: "NVIDIA_H100_80GB", reservedCount: 12 };

let t: Tenants;
let reservations: Reservations;
let alice: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  t = await startTenants((tenants) => {
    reservations = createReservations(tenants);
    return reservationRoutes(reservations);
  });
  alice = await t.addUser("acme", "alice", "admin");
  stranger = await t.addUser("other", "bob", "admin");
});
afterAll(() => t.close());

const create = (id: string, body: object, user = t.operator): Promise<HttpResponse> =>
  t.call(user.key, "POST", `${PATH}?reservationId=${id}`, body);

function refused(response: HttpResponse, status: number, words: string): void {
  expect(response.status, response.text).toBe(status);
  expect(response.text).toContain(words);
}

describe("reservations", () => {
  it("are created by the operator, by default from the next midnight for a year", async () => {
    t.clock.advance(3_600_000);
    const made = await create("first", { ...H100, displayName: "Rack 1" });
    expect(made.status, made.text).toBe(200);
    expect(made.json).toMatchObject({
      ...H100,
      name: "accounts/acme/reservations/first",
      displayName: "Rack 1",
      region: "REGION_UNSPECIFIED",
      startTime: "2026-01-02T00:00:00.000Z",
      endTime: "2027-01-02T00:00:00.000Z",
    });
    const read = await t.call(alice.key, "GET", `${PATH}/first`);
    expect(read.json).toEqual(made.json);
    refused(await create("first", H100), 409, "already exists");
  });

  it("are listed, filtered and ordered only for their account", async () => {
    t.clock.advance(1_000);
    await create("second", { acceleratorType: "AMD_MI300X_192GB", reservedCount: 2, region: "US_IOWA_1" });
    const { json } = await t.call(alice.key, "GET", PATH);
    expect(json.reservations.map(({ name }: { name: string }) => name.split("/").at(-1))).toEqual([
      "second",
      "first",
    ]);
    const filter = encodeURIComponent("reservedCount > 2 AND acceleratorType = NVIDIA_H100_80GB");
    const filtered = await t.call(alice.key, "GET", `${PATH}?filter=${filter}`);
    expect(filtered.json.totalSize).toBe(1);
    for (const path of [PATH, `${PATH}/first`, `${PATH}/none`]) {
      refused(await t.call(stranger.key, "GET", path), 404, "not found");
    }
    refused(await t.call(alice.key, "GET", `${PATH}/none`), 404, "not found");
    refused(await t.call(null, "GET", PATH), 401, "");
  });

  it("can't be created by customers, in unknown accounts or with invalid fields", async () => {
    refused(await create("mine", H100, alice), 403, "operator");
    refused(await create("mine", H100, stranger), 404, "not found");
    const nowhere = await t.call(t.operator.key, "POST", "/v1/accounts/nobody/reservations", H100);
    refused(nowhere, 404, "not found");
    const bad: [object, string][] = [
      [{ reservedCount: 1 }, "acceleratorType"],
      [{ ...H100, acceleratorType: "NVIDIA_POTATO" }, "acceleratorType"],
      [{ acceleratorType: "NVIDIA_H100_80GB" }, "reservedCount"],
      [{ ...H100, reservedCount: 0 }, "reservedCount"],
      [{ ...H100, reservedCount: -3 }, "reservedCount"],
      [{ ...H100, reservedCount: 1e9 }, "reservedCount"],
      [{ ...H100, startTime: "tomorrow" }, "startTime"],
      [{ ...H100, startTime: "2026-02-01T00:00:00Z", endTime: "2026-02-01T00:00:00Z" }, "endTime"],
      [{ ...H100, startTime: "2020-01-01T00:00:00Z", endTime: "2030-01-01T00:00:00Z" }, "startTime"],
      [{ ...H100, price: "1" }, "price"],
    ];
    for (const [body, field] of bad) refused(await create("bad", body), 400, field);
    refused(await create("Bad_Id", H100), 400, "reservationId");
  });

  it("are passed to billing when they are in force at the time", async () => {
    const at = (from: string, to: string) => reservations.between(new Date(from), new Date(to));
    expect(await at("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")).toEqual([]);
    const [first, ...overrides] = await at("2026-12-31T00:00:00Z", "2026-12-31T01:00:00Z");
    expect([first, ...overrides].map((one) => one?.name.split("/").at(-1)).sort()).toEqual([
      "first",
      "second",
    ]);
    expect(first).toMatchObject({ accountId: "acme", count: expect.any(Number) });
    expect(await at("2027-01-02T00:00:00Z", "2027-02-01T00:00:00Z")).toEqual([]);
  });
});
