import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACME, chatRow, chatRows, type DatasetsSetup, jsonl, ROOT, startDatasets } from "./testing.ts";

let setup: DatasetsSetup;
beforeAll(async () => {
  setup = await startDatasets();
});
afterAll(() => setup.close());

let count = 0;
const newId = (): string => `data-${count++}`;

async function create(id: string, dataset: object = {}) {
  return setup.call("POST", ROOT, { datasetId: id, dataset });
}

describe("a dataset", () => {
  test("is created empty with all fields, and reads back the same", async () => {
    const id = newId();
    const created = await create(id, { displayName: "Größe", exampleCount: "3", format: "CHAT" });
    expect(created).toEqual({
      status: 200,
      body: {
        name: `accounts/acme/datasets/${id}`,
        displayName: "Größe",
        createTime: "2026-01-01T00:00:00.000Z",
        updateTime: "2026-01-01T00:00:00.000Z",
        createdBy: "alice@example.com",
        state: "UPLOADING",
        status: { code: "OK", message: "" },
        format: "CHAT",
        exampleCount: "3",
        estimatedTokenCount: "0",
        averageTurnCount: 0,
        externalUrl: "",
        sourceJobName: "",
        userUploaded: {},
      },
    });
    expect(await setup.call("GET", `${ROOT}/${id}`)).toEqual(created);
  });

  test("ignores output-only fields and accepts 64-bit numbers", async () => {
    const created = await create(newId(), { state: "READY", createdBy: "x", name: "y", exampleCount: 7 });
    expect(created.body).toMatchObject({
      state: "UPLOADING",
      createdBy: "alice@example.com",
      exampleCount: "7",
    });
  });

  test("can be created once for an id", async () => {
    const id = newId();
    await create(id);
    const again = await create(id);
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({ code: 6 });
  });

  test.each<[string, object, string]>([
    ["an id with capitals", { datasetId: "Data", dataset: {} }, "datasetId"],
    ["no id", { dataset: {} }, "datasetId"],
    ["no dataset", { datasetId: "a1" }, "dataset"],
    ["an unknown field", { datasetId: "a1", dataset: { colour: "red" } }, "colour"],
    ["an unknown format", { datasetId: "a1", dataset: { format: "SONG" } }, "format"],
    ["too many examples", { datasetId: "a1", dataset: { exampleCount: "3000001" } }, "dataset.exampleCount"],
    ["a negative count", { datasetId: "a1", dataset: { exampleCount: "-1" } }, "exampleCount"],
    ["an external URL", { datasetId: "a1", dataset: { externalUrl: "gs://b/f" } }, "dataset.externalUrl"],
    [
      "two origins",
      { datasetId: "a1", dataset: { userUploaded: {}, evalProtocol: {} } },
      "dataset.evalProtocol",
    ],
    [
      "an evaluation result without a job",
      { datasetId: "a1", dataset: { evaluationResult: {} } },
      "evaluationJobId",
    ],
    ["a filter without a source", { datasetId: "a1", dataset: {}, filter: "a=1" }, "filter"],
    ["an invalid job name", { datasetId: "a1", dataset: { sourceJobName: "j" } }, "dataset.sourceJobName"],
    ["a control character", { datasetId: "a1", dataset: { displayName: "a\u0007" } }, "dataset.displayName"],
  ])("with %s is refused by the field's name", async (_name, body, field) => {
    const { status, body: error } = await setup.call("POST", ROOT, body);
    expect(status).toBe(400);
    expect(error.code).toBe(3);
    expect(JSON.stringify(error.details)).toContain(field);
  });

  test("that names a resource of another account is refused as if the resource did not exist", async () => {
    for (const dataset of [
      { sourceJobName: "accounts/other/supervisedFineTuningJobs/j" },
      { transformed: { sourceDatasetId: "accounts/other/datasets/d" } },
      { splitted: { sourceDatasetId: "not-there" } },
    ]) {
      expect((await create(newId(), dataset)).status).toBe(404);
    }
  });

  test("keeps the origin it is given", async () => {
    const source = newId();
    await create(source);
    const evaluated = await create(newId(), { evaluationResult: { evaluationJobId: "j1" } });
    expect(evaluated.body.evaluationResult).toEqual({ evaluationJobId: "j1" });
    expect(evaluated.body.userUploaded).toBeUndefined();
    const split = await create(newId(), {
      splitted: { sourceDatasetId: `accounts/acme/datasets/${source}` },
    });
    expect(split.body.splitted).toEqual({ sourceDatasetId: source });
  });

  test("is deleted with its files, and its id can be used again", async () => {
    const id = newId();
    await setup.ready(id, chatRows(3));
    expect(await setup.blobs.list("datasets/")).not.toEqual([]);
    const before = await setup.blobs.list("datasets/");
    expect(await setup.call("DELETE", `${ROOT}/${id}`)).toEqual({ status: 200, body: {} });
    expect((await setup.blobs.list("datasets/")).length).toBe(before.length - 1);
    expect((await setup.call("GET", `${ROOT}/${id}`)).status).toBe(404);
    expect((await setup.call("DELETE", `${ROOT}/${id}`)).status).toBe(404);
    expect((await create(id)).body.state).toBe("UPLOADING");
  });

  test("is not deleted while a job needs it", async () => {
    const id = newId();
    await create(id);
    setup.jobs.set(`accounts/acme/datasets/${id}`, "accounts/acme/supervisedFineTuningJobs/j");
    const refused = await setup.call("DELETE", `${ROOT}/${id}`);
    expect(refused).toMatchObject({ status: 400, body: { code: 9 } });
    expect(refused.body.message).toContain("supervisedFineTuningJobs/j");
    setup.jobs.clear();
    expect((await setup.call("DELETE", `${ROOT}/${id}`)).status).toBe(200);
  });
});

describe("an update", () => {
  test("changes the fields of the body or of the mask only", async () => {
    const id = newId();
    await create(id, { displayName: "a", exampleCount: "5" });
    setup.clock.advance(1_000);
    const changed = await setup.call("PATCH", `${ROOT}/${id}`, { displayName: "b", format: "RL" });
    expect(changed.body).toMatchObject({ displayName: "b", format: "RL", exampleCount: "5" });
    expect(changed.body.updateTime > changed.body.createTime).toBe(true);
    const masked = await setup.call("PATCH", `${ROOT}/${id}?updateMask=display_name`, {
      displayName: "c",
      format: "CHAT",
    });
    expect(masked.body).toMatchObject({ displayName: "c", format: "RL" });
    const reset = await setup.call("PATCH", `${ROOT}/${id}?updateMask=displayName,exampleCount`, {});
    expect(reset.body).toMatchObject({ displayName: "", exampleCount: "0" });
  });

  test("can change only the display name of a READY dataset", async () => {
    const id = newId();
    await setup.ready(id, chatRows(3));
    const path = `${ROOT}/${id}`;
    const { body: ready } = await setup.call("GET", path);
    expect((await setup.call("PATCH", path, { ...ready, displayName: "new" })).body.displayName).toBe("new");
    for (const change of [{ format: "RL" }, { exampleCount: "4" }]) {
      const refused = await setup.call("PATCH", path, change);
      expect(refused).toMatchObject({ status: 400, body: { code: 9 } });
      expect(JSON.stringify(refused.body.details)).toContain(Object.keys(change)[0]);
    }
    expect((await setup.call("GET", path)).body).toMatchObject({ format: "CHAT", exampleCount: "3" });
  });

  test("is refused when it changes the origin, names an unknown field or has an unknown mask", async () => {
    const id = newId();
    await create(id);
    const path = `${ROOT}/${id}`;
    expect((await setup.call("PATCH", path, { evalProtocol: {} })).status).toBe(400);
    expect((await setup.call("PATCH", path, { sourceJobName: "accounts/acme/dpoJobs/j" })).status).toBe(400);
    expect((await setup.call("PATCH", path, { externalUrl: "s3://b/f" })).status).toBe(400);
    expect((await setup.call("PATCH", path, { colour: "red" })).status).toBe(400);
    expect((await setup.call("PATCH", `${path}?updateMask=colour`, {})).status).toBe(400);
  });

  test("is not lost when another one runs at the same time", async () => {
    const id = newId();
    await create(id);
    const answers = await Promise.all([
      setup.call("PATCH", `${ROOT}/${id}`, { displayName: "x" }),
      setup.call("PATCH", `${ROOT}/${id}`, { exampleCount: "9" }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect((await setup.call("GET", `${ROOT}/${id}`)).body).toMatchObject({
      displayName: "x",
      exampleCount: "9",
    });
  });
});

describe("the list of datasets", () => {
  test("is paged, filtered, sorted and masked as requested", async () => {
    const key = "lister/lena/user";
    const root = "/v1/accounts/lister/datasets";
    for (const [i, name] of ["one", "two", "three"].entries()) {
      setup.clock.advance(1_000);
      const dataset = { displayName: name, exampleCount: String(i * 10) };
      await setup.call("POST", root, { datasetId: `d-${name}`, dataset }, key);
    }
    const names = (answer: { body: { datasets: { displayName: string }[] } }): string[] =>
      answer.body.datasets.map(({ displayName }) => displayName);
    const all = await setup.call("GET", root, undefined, key);
    expect(names(all)).toEqual(["three", "two", "one"]);
    expect(all.body).toMatchObject({ nextPageToken: "", totalSize: 3 });
    const page = await setup.call("GET", `${root}?pageSize=2&orderBy=exampleCount`, undefined, key);
    expect(names(page)).toEqual(["one", "two"]);
    const token = encodeURIComponent(page.body.nextPageToken);
    const next = `${root}?pageSize=2&orderBy=exampleCount&pageToken=${token}`;
    expect(names(await setup.call("GET", next, undefined, key))).toEqual(["three"]);
    const filter = encodeURIComponent('exampleCount > 5 AND displayName = "t*" AND state = UPLOADING');
    expect(names(await setup.call("GET", `${root}?filter=${filter}&orderBy=name`, undefined, key))).toEqual([
      "three",
      "two",
    ]);
    const masked = await setup.call("GET", `${root}?readMask=displayName`, undefined, key);
    expect(masked.body.datasets[0]).toEqual({ displayName: "three" });
    expect((await setup.call("GET", `${root}?filter=colour=red`, undefined, key)).status).toBe(400);
    expect((await setup.call("GET", `${root}?pageToken=forged`, undefined, key)).status).toBe(400);
  });

  test("can be filtered by origin", async () => {
    const key = "origins/oda/user";
    const root = "/v1/accounts/origins/datasets";
    const dataset = { evaluationResult: { evaluationJobId: "job-7" } };
    await setup.call("POST", root, { datasetId: "a", dataset }, key);
    await setup.call("POST", root, { datasetId: "b", dataset: {} }, key);
    const filter = encodeURIComponent("evaluationResult.evaluationJobId = job-7");
    const filtered = await setup.call("GET", `${root}?filter=${filter}`, undefined, key);
    expect(filtered.body.datasets).toHaveLength(1);
    expect(filtered.body.totalSize).toBe(1);
  });
});

describe("access control", () => {
  const verbs = (id: string): [string, string, unknown][] => [
    ["GET", `${ROOT}/${id}`, undefined],
    ["PATCH", `${ROOT}/${id}`, { displayName: "x" }],
    ["DELETE", `${ROOT}/${id}`, undefined],
    ["POST", `${ROOT}/${id}:getUploadEndpoint`, { filenameToSize: { "a.jsonl": "5" } }],
    ["POST", `${ROOT}/${id}:validateUpload`, {}],
    ["GET", `${ROOT}/${id}:getDownloadEndpoint`, undefined],
    ["POST", `${ROOT}/${id}:splitDataset`, { chunkSize: 200 }],
  ];

  test("refuses every request without a key", async () => {
    for (const [method, path, body] of [...verbs("any"), ["GET", ROOT, undefined] as const]) {
      expect((await setup.call(method, path, body, null)).status).toBe(401);
    }
  });

  test("answers for another account's dataset exactly as for a missing one", async () => {
    const id = newId();
    await setup.ready(id, chatRows(3));
    for (const [method, path, body] of verbs(id)) {
      const foreign = await setup.call(method, path, body, "other/olga/admin");
      const missing = await setup.call(method, path.replace(id, "gone"), body);
      expect(foreign.status).toBe(404);
      expect(JSON.stringify(foreign.body).replaceAll(id, "gone")).toBe(JSON.stringify(missing.body));
    }
    expect((await setup.call("GET", ROOT, undefined, "other/olga/admin")).status).toBe(404);
    const created = await setup.call("POST", ROOT, { datasetId: newId(), dataset: {} }, "other/olga/admin");
    expect(created.status).toBe(404);
    expect((await setup.upload(id, "x", "a.jsonl", "other/olga/admin")).status).toBe(404);
  });

  test("lets the inference role read but not change datasets", async () => {
    const id = newId();
    await create(id);
    const key = "acme/ines/inference-user";
    for (const [method, path, body] of verbs(id).filter(([method]) => method !== "GET")) {
      expect((await setup.call(method, path, body, key)).status).toBe(403);
    }
    expect((await setup.upload(id, "x", "a.jsonl", key)).status).toBe(403);
    expect((await setup.call("GET", `${ROOT}/${id}`, undefined, key)).status).toBe(200);
  });

  test("lets contributors change only the datasets that they created", async () => {
    const id = newId();
    await create(id);
    const ownId = newId();
    const key = "acme/carl/contributor";
    await setup.call("POST", ROOT, { datasetId: ownId, dataset: {} }, key);
    expect((await setup.call("DELETE", `${ROOT}/${id}`, undefined, key)).status).toBe(403);
    expect((await setup.call("DELETE", `${ROOT}/${ownId}`, undefined, key)).status).toBe(200);
  });
});

test("the garbage collector removes files of deleted datasets after their upload URLs have expired", async () => {
  const id = newId();
  await create(id);
  const sizes = { filenameToSize: { "a.jsonl": "5" } };
  const endpoint = await setup.call("POST", `${ROOT}/${id}:getUploadEndpoint`, sizes);
  const url = endpoint.body.filenameToSignedUrls["a.jsonl"];
  await setup.call("DELETE", `${ROOT}/${id}`);
  const before = await setup.blobs.list("datasets/");
  expect(await setup.put(url, "12345")).toBe(200);
  await setup.datasets.sweep();
  expect(await setup.blobs.list("datasets/")).toHaveLength(before.length + 1);
  setup.clock.advance(24 * 3_600_000);
  await setup.datasets.sweep();
  expect(await setup.blobs.list("datasets/")).toEqual(before);
});

test("a downloaded file has the rows as they were uploaded", async () => {
  const id = newId();
  const rows = [chatRow(1), chatRow(2), chatRow(3)];
  await setup.ready(id, rows);
  const { body } = await setup.call("GET", `${ROOT}/${id}:getDownloadEndpoint`, undefined, ACME);
  const response = await fetch(body.filenameToSignedUrls["train.jsonl"]);
  expect(await response.text()).toBe(jsonl(rows));
});
