import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunkSizes } from "./filter-writer.ts";
import {
  chatRow,
  chatRows,
  type DatasetsSetup,
  jsonl,
  ROOT,
  startDatasets,
  type TestResponse,
} from "./testing.ts";

let setup: DatasetsSetup;
beforeAll(async () => {
  setup = await startDatasets();
});
afterAll(() => setup.close());

let count = 0;
const newId = (): string => `src-${count++}`;
const get = async (id: string) => (await setup.call("GET", `${ROOT}/${id}`)).body;

async function contentOf(id: string): Promise<string> {
  const { body } = await setup.call("GET", `${ROOT}/${id}:getDownloadEndpoint`);
  const texts = Object.values<string>(body.filenameToSignedUrls).map(async (url) =>
    (await fetch(url)).text(),
  );
  return (await Promise.all(texts)).join("");
}

describe("a filtered dataset", () => {
  const createFiltered = (
    id: string,
    source: string,
    filter?: string,
    dataset: object = {},
  ): Promise<TestResponse> =>
    setup.call("POST", ROOT, { datasetId: id, dataset, sourceDatasetId: source, filter });

  test("is READY at once, holds the rows that pass, and names its source", async () => {
    const source = newId();
    const rows = Array.from({ length: 10 }, (_, i) => chatRow(i, { score: i / 10 }));
    await setup.ready(source, rows);
    const id = newId();
    const { status, body } = await createFiltered(id, source, "score >= 0.5", { displayName: "good" });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      state: "READY",
      displayName: "good",
      exampleCount: "5",
      format: "CHAT",
      transformed: { sourceDatasetId: source, filter: "score >= 0.5", originalFormat: "CHAT" },
    });
    expect(body.userUploaded).toBeUndefined();
    expect(await get(id)).toEqual(body);
    expect(await contentOf(id)).toBe(jsonl(rows.slice(5)));
  });

  test("is a copy in one file when the filter is empty", async () => {
    const source = newId();
    await setup.uploaded(source, []);
    const lines = chatRows(4).map((row) => JSON.stringify(row));
    await setup.upload(source, `\ufeff${lines[0]}\r\n\r\n${lines[1]}`, "train.jsonl");
    await setup.upload(source, `\ufeff${lines[2]}\n${lines[3]}`, "tune.jsonl");
    await setup.call("POST", `${ROOT}/${source}:validateUpload`, {});
    const id = newId();
    expect((await createFiltered(id, `accounts/acme/datasets/${source}`)).body.exampleCount).toBe("4");
    expect(await contentOf(id)).toBe(`${lines.join("\n")}\n`);
  });

  test("is not created for too few rows, a bad filter, or a source that is foreign, missing or not READY", async () => {
    const source = newId();
    await setup.ready(source, chatRows(5));
    const unfinished = newId();
    await setup.uploaded(unfinished, chatRows(5));
    const before = await setup.blobs.list("datasets/");
    const id = newId();
    const few = await createFiltered(id, source, 'messages : "x"');
    expect(few).toMatchObject({ status: 400, body: { code: 3 } });
    expect(few.body.message).toContain("too few examples: 0");
    expect((await createFiltered(id, source, "score >")).body.message).toContain("position");
    expect((await createFiltered(id, source, "", { evalProtocol: {} })).status).toBe(400);
    expect((await createFiltered(id, "accounts/other/datasets/x")).status).toBe(404);
    expect((await createFiltered(id, "gone")).status).toBe(404);
    expect((await createFiltered(id, "../gone")).status).toBe(400);
    expect(await createFiltered(id, unfinished)).toMatchObject({ status: 400, body: { code: 9 } });
    expect((await createFiltered(source, source)).status).toBe(409);
    expect(await setup.blobs.list("datasets/")).toEqual(before);
    expect((await get(id)).code).toBe(5);
  });
});

describe("a split dataset", () => {
  const split = (id: string, body: object): Promise<TestResponse> =>
    setup.call("POST", `${ROOT}/${id}:splitDataset`, body);

  test("becomes READY datasets of the chunk size, in order, with their own counts", async () => {
    const id = newId();
    const rows = [
      ...chatRows(400),
      ...Array.from({ length: 101 }, (_, i) => chatRow(i, { long: "x".repeat(900) })),
    ];
    await setup.ready(id, rows);
    const { status, body } = await split(id, { chunkSize: 250, parent: "accounts/acme" });
    expect(status).toBe(200);
    expect(body).toEqual({
      chunkDatasetNames: [1, 2, 3].map((n) => `accounts/acme/datasets/${id}-chunk-${n}`),
      chunksCreated: 3,
      totalExamples: "501",
    });
    const chunks = [1, 2, 3].map((n) => `${id}-chunk-${n}`);
    const datasets = await Promise.all(chunks.map(get));
    expect(datasets.map(({ exampleCount }) => exampleCount)).toEqual(["250", "248", "3"]);
    for (const dataset of datasets) {
      expect(dataset).toMatchObject({ state: "READY", format: "CHAT", splitted: { sourceDatasetId: id } });
    }
    expect((await Promise.all(chunks.map(contentOf))).join("")).toBe(jsonl(rows));
    const sum = datasets.reduce((total, dataset) => total + Number(dataset.estimatedTokenCount), 0);
    expect(sum).toBe(Number((await get(id)).estimatedTokenCount));
  });

  test("is split into all chunks or none", async () => {
    const id = newId();
    await setup.ready(id, chatRows(450));
    await setup.call("POST", ROOT, { datasetId: `${id}-chunk-2`, dataset: {} });
    const before = await setup.blobs.list("datasets/");
    expect((await split(id, { chunkSize: 200 })).status).toBe(409);
    expect((await get(`${id}-chunk-1`)).code).toBe(5);
    expect((await split(id, { chunkSize: 199 })).status).toBe(400);
    expect((await split(id, {})).status).toBe(400);
    expect((await split(id, { chunkSize: 200, parent: "accounts/other" })).status).toBe(400);
    expect(await setup.blobs.list("datasets/")).toEqual(before);
  });

  test("gives its chunks ids within the length limit", async () => {
    const id = `l${"o".repeat(61)}g`;
    await setup.ready(id, chatRows(201));
    const { body } = await split(id, { chunkSize: 200 });
    expect(body.chunkDatasetNames[0]).toBe(`accounts/acme/datasets/l${"o".repeat(54)}-chunk-1`);
    expect((await get(`l${"o".repeat(54)}-chunk-1`)).state).toBe("READY");
  });

  test("has chunks from three rows to the chunk size, which together hold all rows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 100_000 }),
        fc.integer({ min: 200, max: 10_000 }),
        (total, size) => {
          const sizes = chunkSizes(total, size);
          expect(sizes.reduce((sum, rows) => sum + rows, 0)).toBe(total);
          for (const rows of sizes) expect(rows >= 3 && rows <= size).toBe(true);
        },
      ),
    );
    expect(() => chunkSizes(3_000_000, 200)).toThrow(/chunkSize gives 15000 chunks/);
  });
});

describe("download URLs", () => {
  test("need a READY dataset", async () => {
    const id = newId();
    await setup.uploaded(id, chatRows(3));
    const { status, body } = await setup.call("GET", `${ROOT}/${id}:getDownloadEndpoint`);
    expect([status, body.code]).toEqual([400, 9]);
  });

  test("include the datasets that a dataset was derived from, as far as they still exist", async () => {
    const first = newId();
    await setup.ready(first, chatRows(5));
    const second = newId();
    await setup.call("POST", ROOT, { datasetId: second, dataset: {}, sourceDatasetId: first });
    const third = newId();
    await setup.call("POST", ROOT, { datasetId: third, dataset: {}, sourceDatasetId: second });
    const lineage = async (): Promise<string[]> => {
      const answer = await setup.call("GET", `${ROOT}/${third}:getDownloadEndpoint?downloadLineage=true`);
      return Object.keys(answer.body.filenameToSignedUrls);
    };
    expect(await lineage()).toEqual([
      `${third}/${third}.jsonl`,
      `${second}/${second}.jsonl`,
      `${first}/train.jsonl`,
    ]);
    await setup.call("DELETE", `${ROOT}/${first}`);
    // A new dataset with the id of a deleted ancestor is not an ancestor.
    await setup.ready(first, chatRows(3));
    expect(await lineage()).toEqual([`${third}/${third}.jsonl`, `${second}/${second}.jsonl`]);
  });
});
