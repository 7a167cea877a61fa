import { expect, test } from "vitest";
import { Fireworks } from "./client.ts";
import { ConflictError, InputError, InvalidResponseError, NotFoundError } from "./errors.ts";
import { controlError, instantRuntime, json, type Reply, scriptedFetch, systemError } from "./testing.ts";

function clientOf(...replies: readonly Reply[]) {
  const { fetch, sent } = scriptedFetch(...replies);
  const settings = { apiKey: "fw_test_key", baseURL: "http://host", accountId: "team", fetch };
  return { client: new Fireworks(settings, instantRuntime()), sent };
}

const LOST = systemError("ECONNRESET");
const taken = () => controlError(409, 6, "Taken.");

test("parameters go into the query or the body as the contract says", async () => {
  const { client, sent } = clientOf(json({}), json({}), json({}), json({}));
  await client.deployments.create({
    deploymentId: "d",
    validateOnly: true,
    baseModel: "b",
    minReplicaCount: 0,
  });
  await client.deployments.delete("d", { hard: true });
  await client.deployments.update("d", { displayName: "x", updateMask: "displayName" });
  await client.models.getUploadEndpoint("m", { filenameToSize: { "a b": "1" } });
  expect(sent).toMatchObject([
    {
      method: "POST",
      path: "/v1/accounts/team/deployments?deploymentId=d&validateOnly=true",
      body: { baseModel: "b", minReplicaCount: 0 },
    },
    { method: "DELETE", path: "/v1/accounts/team/deployments/d?hard=true", body: null },
    {
      method: "PATCH",
      path: "/v1/accounts/team/deployments/d?updateMask=displayName",
      body: { displayName: "x" },
    },
    { path: "/v1/accounts/team/models/m:getUploadEndpoint", body: { filenameToSize: { "a b": "1" } } },
  ]);
});

test("a custom verb without parameters sends an empty object", async () => {
  const { client, sent } = clientOf(json({}));
  await client.deployments.undelete("d");
  expect(sent[0]?.body).toEqual({});
});

test("an unknown parameter is refused by its name", async () => {
  const { client, sent } = clientOf();
  // @ts-expect-error: there is no such parameter
  await expect(client.models.get("m", { nonsense: 1 })).rejects.toThrow(/nonsense/);
  expect(sent).toHaveLength(0);
});

test("an empty name and a malformed account are refused before any request", async () => {
  const { client, sent } = clientOf();
  // @ts-expect-error: a name is needed
  await expect(client.models.get()).rejects.toBeInstanceOf(InputError);
  await expect(client.models.list({}, { accountId: "a/b" }).page()).rejects.toMatchObject({
    param: "accountId",
  });
  expect(sent).toHaveLength(0);
});

test("a malformed id is refused before any request", async () => {
  const { client, sent } = clientOf();
  await expect(client.models.create({ modelId: "No_Good" })).rejects.toMatchObject({ param: "modelId" });
  await expect(client.deployments.create({ deploymentId: "-", baseModel: "b" })).rejects.toBeInstanceOf(
    InputError,
  );
  expect(sent).toHaveLength(0);
});

test("files are sent in a form with their names", async () => {
  const { client, sent } = clientOf(json({}));
  await client.datasets.uploadFile("d", { file: new File(["row"], "rows.jsonl") });
  const file = sent[0]?.form?.get("file") as File;
  expect([file.name, await file.text()]).toEqual(["rows.jsonl", "row"]);
  expect(sent[0]?.headers.get("content-type")).toBeNull();
});

test("a list is fetched page by page with the same filter", async () => {
  const page = (ids: string[], nextPageToken: string) =>
    json({ models: ids.map((name) => ({ name })), nextPageToken, totalSize: 3 });
  const { client, sent } = clientOf(page(["a", "b"], "t"), page(["c"], ""));
  const names: unknown[] = [];
  for await (const { name } of client.models.list({ filter: "x = 1", pageSize: 2 })) names.push(name);
  expect(names).toEqual(["a", "b", "c"]);
  expect(sent.map(({ path }) => path)).toEqual([
    "/v1/accounts/team/models?pageSize=2&filter=x+%3D+1",
    "/v1/accounts/team/models?pageSize=2&pageToken=t&filter=x+%3D+1",
  ]);
});

test("a single page can be read, and no other page is fetched", async () => {
  const page = (nextPageToken: string) => json({ models: [{ name: "a" }], nextPageToken });
  const { client, sent } = clientOf(page("t"), page("u"), page("v"));
  expect(await client.models.list().page()).toEqual({
    items: [{ name: "a" }],
    nextPageToken: "t",
    totalSize: null,
  });
  expect((await client.models.list({ pageToken: "t" }).page()).nextPageToken).toBe("u");
  for await (const _ of client.models.list()) break;
  expect(sent).toHaveLength(3);
});

test("a page that leads to itself ends the list with an error", async () => {
  const page = () => json({ models: [{}], nextPageToken: "t" });
  const { client } = clientOf(page, page, page);
  const walk = async () => {
    for await (const _ of client.models.list());
  };
  await expect(walk()).rejects.toThrow(InvalidResponseError);
});

const request = { modelId: "m", model: { displayName: "Mine", baseModelDetails: { worldSize: 1 } } };
const made = {
  name: "accounts/team/models/m",
  displayName: "Mine",
  baseModelDetails: { worldSize: 1, moe: false },
};

test("a create whose response was lost returns the created resource instead of a conflict", async () => {
  const { client, sent } = clientOf(LOST, taken, json(made));
  expect(await client.models.create(request)).toEqual(made);
  expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "POST /v1/accounts/team/models",
    "POST /v1/accounts/team/models",
    "GET /v1/accounts/team/models/m",
  ]);
});

test("a conflict is thrown when the existing resource differs or existed before", async () => {
  const other = { ...made, baseModelDetails: { worldSize: 8 } };
  await expect(clientOf(LOST, taken, json(other)).client.models.create(request)).rejects.toBeInstanceOf(
    ConflictError,
  );
  const { client, sent } = clientOf(taken);
  await expect(client.models.create(request)).rejects.toBeInstanceOf(ConflictError);
  expect(sent).toHaveLength(1);
});

test("a deployment's fields, which are the body itself, are compared too", async () => {
  const body = { deploymentId: "d", baseModel: "b", minReplicaCount: 1 };
  const same = { name: "n", baseModel: "b", minReplicaCount: 1 };
  expect(await clientOf(LOST, taken, json(same)).client.deployments.create(body)).toEqual(same);
  const less = { name: "n", baseModel: "b", minReplicaCount: 0 };
  await expect(clientOf(LOST, taken, json(less)).client.deployments.create(body)).rejects.toThrow("Taken.");
});

test("a create without a client-chosen id is not retried", async () => {
  const { client, sent } = clientOf(LOST);
  await expect(client.deployments.create({ baseModel: "b" })).rejects.toThrow();
  await expect(client.apiKeys.create({ apiKey: {} })).rejects.toThrow();
  expect(sent).toHaveLength(2);
});

test("a delete whose response was lost succeeds, and a delete of a missing resource throws NotFoundError", async () => {
  const gone = () => controlError(404, 5, "Gone.");
  expect(await clientOf(LOST, gone).client.models.delete("m")).toEqual({});
  await expect(clientOf(gone).client.models.delete("m")).rejects.toBeInstanceOf(NotFoundError);
});

test("images and plain text are returned unchanged", async () => {
  const { client } = clientOf(
    new Response(new Uint8Array([1, 2]), { headers: { "content-type": "image/png" } }),
    new Response("said", { headers: { "content-type": "text/plain; charset=utf-8" } }),
  );
  const image = (await client.images.generate("accounts/fireworks/models/flux", { prompt: "p" })) as Blob;
  expect([image.type, image.size]).toEqual(["image/png", 2]);
  expect(await client.audio.transcriptions.create({ file: new Blob(["x"]) })).toBe("said");
});
