import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpResponse } from "../../../test/harness/http.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { sampleNoteRoutes } from "./routes.ts";
import { createSampleNotes } from "./service.ts";

const PATH = "/v1/accounts/acme/sampleNotes";

let t: Tenants;
let alice: TestUser;
let contributor: TestUser;
let reader: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  t = await startTenants((tenants) => sampleNoteRoutes(createSampleNotes(tenants)));
  alice = await t.addUser("acme", "alice", "user");
  contributor = await t.addUser("acme", "carol", "contributor");
  reader = await t.addUser("acme", "reader", "inference-user");
  stranger = await t.addUser("other", "bob", "admin");
});
afterAll(() => t.close());

const create = (id: string, body: object = {}, user = alice): Promise<HttpResponse> =>
  t.call(user.key, "POST", `${PATH}?sampleNoteId=${id}`, body);

function expectRefusal(response: HttpResponse, status: number, words: string): void {
  expect(response.status, response.text).toBe(status);
  expect(response.text).toContain(words);
}

describe("sample notes", () => {
  it("are created, read, updated and deleted", async () => {
    const created = await create("first", { displayName: "First", description: "one" });
    expect(created.status, created.text).toBe(200);
    expect(created.json).toMatchObject({
      name: "accounts/acme/sampleNotes/first",
      displayName: "First",
      createdBy: "alice",
    });
    expect((await t.call(reader.key, "GET", `${PATH}/first`)).json).toEqual(created.json);

    t.clock.advance(1_000);
    const updated = await t.call(alice.key, "PATCH", `${PATH}/first?updateMask=description`, {
      displayName: "ignored",
      description: "two",
    });
    expect(updated.json).toMatchObject({ displayName: "First", description: "two" });
    expect(updated.json.updateTime > created.json.updateTime).toBe(true);

    expect((await t.call(alice.key, "DELETE", `${PATH}/first`)).status).toBe(200);
    expectRefusal(await t.call(alice.key, "GET", `${PATH}/first`), 404, "not found");
    expectRefusal(await t.call(alice.key, "DELETE", `${PATH}/first`), 404, "not found");
  });

  it("are listed newest first, page by page, and filtered", async () => {
    for (const id of ["a", "b", "c"]) {
      t.clock.advance(1_000);
      await create(id, { displayName: id.toUpperCase() });
    }
    const first = (await t.call(reader.key, "GET", `${PATH}?pageSize=2`)).json;
    const second = (await t.call(reader.key, "GET", `${PATH}?pageSize=2&pageToken=${first.nextPageToken}`))
      .json;
    const pages = [first, second].map((page) =>
      page.sampleNotes.map(({ displayName }: { displayName: string }) => displayName),
    );
    expect(pages).toEqual([["C", "B"], ["A"]]);
    const filter = encodeURIComponent('displayName = "B"');
    const found = (await t.call(reader.key, "GET", `${PATH}?filter=${filter}`)).json;
    expect(found).toMatchObject({ totalSize: 1, sampleNotes: [{ displayName: "B" }] });
  });

  it("refuse an id that is taken, and fields that are wrong, by name", async () => {
    await create("taken");
    expectRefusal(await create("taken"), 409, "sampleNoteId");
    expectRefusal(await create("Bad_Id"), 400, "sampleNoteId");
    expectRefusal(await create("bad", { description: "x".repeat(1_001) }), 400, "description");
    expectRefusal(await create("bad", { color: "red" }), 400, "color");
  });

  it("are changed by the roles that may write, by contributors only their own", async () => {
    await create("shared");
    expectRefusal(await create("more", {}, reader), 403, "role");
    expectRefusal(await t.call(contributor.key, "DELETE", `${PATH}/shared`), 403, "Contributors");
    await create("own", {}, contributor);
    expect((await t.call(contributor.key, "DELETE", `${PATH}/own`)).status).toBe(200);
  });

  it("do not exist for other accounts", async () => {
    await create("secret");
    expectRefusal(await create("secret", {}, stranger), 404, "not found");
    expectRefusal(await t.call(stranger.key, "GET", PATH), 404, "not found");
    for (const method of ["GET", "PATCH", "DELETE"]) {
      const body = method === "PATCH" ? { displayName: "mine" } : undefined;
      expectRefusal(await t.call(stranger.key, method, `${PATH}/secret`, body), 404, "not found");
    }
  });
});
