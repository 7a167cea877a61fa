import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, startHearth, until } from "../harness/hearth.ts";
import { type Json, send } from "../harness/http.ts";
import { call, expectAllExercised, expectRefusal, succeed } from "./control-plane-contract.ts";

let hearth: Hearth;
let accountId: string;

beforeAll(async () => {
  hearth = await startHearth({ database: "embedded" });
  accountId = (await succeed(hearth, "listAccounts")).accounts[0].name.split("/")[1];
});

const rows = Array.from({ length: 450 }, (_, i) =>
  JSON.stringify({
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: `What is ${i} + 1?` },
      { role: "assistant", content: String(i + 1) },
    ],
    ground_truth: i + 1,
  }),
);
const content = `${rows.join("\n")}\n`;

const params = (id: string) => ({ account_id: accountId, dataset_id: id });
const newId = (): string => `d${randomBytes(6).toString("hex")}`;

async function create(): Promise<string> {
  const id = newId();
  await succeed(hearth, "createDataset", {
    params: { account_id: accountId },
    body: { datasetId: id, dataset: { displayName: "Sums" } },
  });
  return id;
}

function form(text: string, filename = "sums.jsonl"): { body: string; headers: Record<string, string> } {
  const head = `Content-Disposition: form-data; name="file"; filename="${filename}"\r\n\r\n`;
  return {
    body: `--frontier\r\n${head}${text}\r\n--frontier--\r\n`,
    headers: { "content-type": "multipart/form-data; boundary=frontier" },
  };
}

async function ready(): Promise<string> {
  const id = await create();
  await succeed(hearth, "uploadDatasetFile", { params: params(id), ...form(content) });
  await succeed(hearth, "validateDatasetUpload", { params: params(id), body: {} });
  return id;
}

describe("datasets", () => {
  test("are created, uploaded, checked, read, updated, listed and deleted as the contract says", async () => {
    const id = await ready();
    const dataset = await succeed(hearth, "getDataset", { params: params(id) });
    expect(dataset).toMatchObject({ state: "READY", exampleCount: "450", format: "CHAT" });
    const changed = await succeed(hearth, "updateDataset", {
      params: params(id),
      body: { displayName: "More sums" },
    });
    expect(changed).toMatchObject({ displayName: "More sums", exampleCount: "450" });
    const filter = `name = "${dataset.name}" AND exampleCount >= 450`;
    const list = await succeed(hearth, "listDatasets", {
      params: { account_id: accountId },
      query: { filter },
    });
    expect(list).toMatchObject({ datasets: [{ displayName: "More sums" }], totalSize: 1 });
    await succeed(hearth, "deleteDataset", { params: params(id) });
    expectRefusal(await call(hearth, "getDataset", { params: params(id) }), "NOT_FOUND", null);
  });

  test("are uploaded and downloaded by signed URLs that need no key", async () => {
    const id = await create();
    const { filenameToSignedUrls } = await succeed(hearth, "getDatasetUploadEndpoint", {
      params: params(id),
      body: { filenameToSize: { "sums.jsonl": content.length } },
    });
    const sent = await fetch(filenameToSignedUrls["sums.jsonl"], {
      method: "PUT",
      body: content,
      headers: {
        "content-type": "application/octet-stream",
        "x-goog-content-length-range": `${content.length},${content.length}`,
      },
    });
    expect(sent.status).toBe(200);
    await succeed(hearth, "validateDatasetUpload", { params: params(id), body: {} });
    const urls = await succeed(hearth, "getDatasetDownloadEndpoint", { params: params(id) });
    const got = await fetch(urls.filenameToSignedUrls["sums.jsonl"]);
    expect(await got.text()).toBe(content);
  });

  test("are split and filtered", async () => {
    const id = await ready();
    const split = await succeed(hearth, "splitDataset", { params: params(id), body: { chunkSize: 200 } });
    expect(split).toMatchObject({ chunksCreated: 3, totalExamples: "450" });
    const copy = newId();
    const filtered = await succeed(hearth, "createDataset", {
      params: { account_id: accountId },
      body: { datasetId: copy, dataset: {}, sourceDatasetId: id, filter: "ground_truth > 440" },
    });
    expect(filtered).toMatchObject({ state: "READY", exampleCount: "10" });
    const lineage = await succeed(hearth, "getDatasetDownloadEndpoint", {
      params: params(copy),
      query: { downloadLineage: true },
    });
    expect(Object.keys(lineage.filenameToSignedUrls)).toEqual([`${copy}/${copy}.jsonl`, `${id}/sums.jsonl`]);
  });

  test("with bad rows are refused with file and line", async () => {
    const id = await create();
    const bad = `${rows[0]}\n{"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]}\n`;
    await succeed(hearth, "uploadDatasetFile", { params: params(id), ...form(bad) });
    const refused = await call(hearth, "validateDatasetUpload", { params: params(id), body: {} });
    expectRefusal(refused, "INVALID_ARGUMENT", null);
    expect(refused.json.message).toBe(
      "sums.jsonl, line 2: messages[1]: a system message must be the first message.",
    );
    const dataset = await succeed(hearth, "getDataset", { params: params(id) });
    expect(dataset).toMatchObject({ state: "UPLOADING", status: { code: "INVALID_ARGUMENT" } });
  });

  test("survive kill -9 of everything either whole or not at all", async () => {
    const id = await ready();
    const half = await create();
    await succeed(hearth, "uploadDatasetFile", { params: params(half), ...form(content) });
    const before: Json = await succeed(hearth, "getDataset", { params: params(id) });
    const broken = send(hearth, `/v1/accounts/${accountId}/datasets/${half}:validateUpload`, {
      method: "POST",
      body: {},
    }).catch(() => null);
    const { dataDir } = hearth;
    await hearth.kill9();
    await broken;
    hearth = await startHearth({ dataDir, database: "embedded" });
    expect(await succeed(hearth, "getDataset", { params: params(id) })).toEqual(before);
    // An interrupted check resumes when the lease of the dead worker has expired.
    await until("the check", async () => {
      await succeed(hearth, "validateDatasetUpload", { params: params(half), body: {} });
      return (await succeed(hearth, "getDataset", { params: params(half) })).state === "READY";
    });
    const urls = await succeed(hearth, "getDatasetDownloadEndpoint", { params: params(half) });
    expect(await (await fetch(urls.filenameToSignedUrls["sums.jsonl"])).text()).toBe(content);
  });

  test("have every operation exercised", () => {
    expectAllExercised("datasets");
  });
});
