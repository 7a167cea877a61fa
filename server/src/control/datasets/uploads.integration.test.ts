import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { MAX_FORM_FILE_BYTES } from "./files.ts";
import type { Datasets } from "./service.ts";
import {
  ACME,
  chatRow,
  chatRows,
  type DatasetsSetup,
  jsonl,
  ROOT,
  startDatasets,
  type TestResponse,
} from "./testing.ts";

let setup: DatasetsSetup;
/** Bytes of all uploads that have reached the store. */
let storedBytes = 0;
/** Hooks that run once, before or after the next file is opened for reading. */
let beforeRead: (() => Promise<unknown>) | null = null;
let afterRead: (() => Promise<unknown>) | null = null;

beforeAll(async () => {
  setup = await startDatasets(instrumentedBlobs);
});
afterAll(() => setup.close());

function instrumentedBlobs(blobs: Blobs): Blobs {
  return {
    ...blobs,
    async read(key, range) {
      const [before, after] = [beforeRead, afterRead];
      beforeRead = afterRead = null;
      await before?.();
      const content = await blobs.read(key, range);
      await after?.();
      return content;
    },
    write: (key, source, limits) => {
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const bytes of source) {
          storedBytes += bytes.length;
          yield bytes;
        }
      }
      return blobs.write(key, counted(), limits);
    },
  };
}

let count = 0;
async function newDataset(dataset: object = {}): Promise<string> {
  const id = `up-${count++}`;
  await setup.call("POST", ROOT, { datasetId: id, dataset });
  return id;
}

const validate = (id: string): Promise<TestResponse> =>
  setup.call("POST", `${ROOT}/${id}:validateUpload`, {});
const get = async (id: string) => (await setup.call("GET", `${ROOT}/${id}`)).body;

/** Sends a raw body. */
function send(
  path: string,
  headers: Record<string, string>,
  chunks: Iterable<Buffer> | string,
): Promise<TestResponse> {
  return new Promise((resolve, reject) => {
    const url = new URL(setup.origin + path);
    const call = request(url, { method: "POST", headers: { authorization: `Bearer ${ACME}`, ...headers } });
    call.on("error", reject);
    call.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => {
        resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(parts).toString()) });
      });
    });
    if (typeof chunks === "string") call.end(chunks);
    else void pump(call, chunks);
  });
}

async function pump(call: import("node:http").ClientRequest, chunks: Iterable<Buffer>): Promise<void> {
  for (const chunk of chunks) {
    if (!call.write(chunk)) await new Promise((resolve) => call.once("drain", resolve));
  }
  call.end();
}

function form(...parts: string[]): string {
  return `${parts.map((part) => `--x\r\nContent-Disposition: form-data; ${part}\r\n`).join("")}--x--\r\n`;
}

const FORM = { "content-type": "multipart/form-data; boundary=x" };
const filePart = (name: string, content = "{}"): string =>
  `name="file"; filename="${name}"\r\nContent-Type: text/plain\r\n\r\n${content}`;

describe("a file in a multipart form", () => {
  test("is described like a file of the OpenAI API", async () => {
    const id = await newDataset();
    const content = jsonl(chatRows(3));
    const { status, body } = await setup.upload(id, content, "Trainings daten (größe).jsonl");
    expect(status).toBe(200);
    expect(body).toEqual({
      id: expect.stringMatching(/^file-/),
      object: "file",
      bytes: content.length,
      created_at: Math.floor(setup.clock.now() / 1000),
      filename: "Trainings daten (größe).jsonl",
      purpose: "fine-tune",
    });
  });

  test.each(["../../etc/passwd.jsonl", "/etc/x.jsonl", "a\\\\b.jsonl", "..", ".hidden.jsonl", "data.csv"])(
    "with the name %j is refused",
    async (name) => {
      const id = await newDataset();
      const answer = await send(`${ROOT}/${id}:upload`, FORM, form(filePart(name)));
      expect(answer.status).toBe(400);
      expect(JSON.stringify(answer.body.details)).toContain("file");
    },
  );

  test("makes the dataset READY by itself, or leaves the reason in its status", async () => {
    const good = await newDataset();
    await setup.upload(good, jsonl(chatRows(3)));
    await expect.poll(async () => (await get(good)).state).toBe("READY");
    expect(await get(good)).toMatchObject({ exampleCount: "3", format: "CHAT", status: { code: "OK" } });
    const bad = await newDataset();
    await setup.upload(bad, "nope");
    await expect.poll(async () => (await get(bad)).status.code).toBe("INVALID_ARGUMENT");
    expect(await get(bad)).toMatchObject({
      state: "UPLOADING",
      status: { message: expect.stringContaining("train.jsonl, line 1") },
    });
    await setup.upload(bad, jsonl(chatRows(4)));
    await expect.poll(async () => (await get(bad)).state).toBe("READY");
    expect(await get(bad)).toMatchObject({ exampleCount: "4", status: { code: "OK", message: "" } });
  });

  test("begins no check while files that were declared for signed URLs are missing", async () => {
    const id = await newDataset();
    const content = jsonl(chatRows(3));
    const sizes = { filenameToSize: { "signed.jsonl": content.length } };
    const { body } = await setup.call("POST", `${ROOT}/${id}:getUploadEndpoint`, sizes);
    await setup.upload(id, content);
    expect(await get(id)).toMatchObject({ state: "UPLOADING", status: { code: "OK", message: "" } });
    expect(await setup.put(body.filenameToSignedUrls["signed.jsonl"], content)).toBe(200);
    expect((await validate(id)).status).toBe(200);
    expect(await get(id)).toMatchObject({ state: "READY", exampleCount: "6" });
  });

  test("after which the dataset is READY is followed by no further file, and the refusal says what to do", async () => {
    const id = await newDataset();
    await setup.upload(id, jsonl(chatRows(3)));
    await expect.poll(async () => (await get(id)).state).toBe("READY");
    const refused = await setup.upload(id, jsonl(chatRows(3)), "more.jsonl");
    expect(refused).toMatchObject({ status: 400, body: { code: 9 } });
    expect(refused.body.message).toContain(":getUploadEndpoint");
    expect((await get(id)).exampleCount).toBe("3");
  });

  test.each(['name="file"', 'name="file"; filename=""', 'name="file"; filename="upload"'])(
    "without a name of its own, %s, is named after the dataset",
    async (disposition) => {
      const id = await newDataset();
      const part = `${disposition}\r\n\r\n${jsonl(chatRows(3))}`;
      const answer = await send(`${ROOT}/${id}:upload`, FORM, form(part));
      expect(answer).toMatchObject({ status: 200, body: { filename: `${id}.jsonl` } });
      await expect.poll(async () => (await get(id)).state).toBe("READY");
    },
  );

  test("replaces a file of the same name", async () => {
    const id = await newDataset();
    await setup.upload(id, "nope");
    await setup.upload(id, jsonl(chatRows(4)));
    expect((await validate(id)).status).toBe(200);
    expect((await get(id)).exampleCount).toBe("4");
  });

  test("is refused when the form has no file, two files, is JSON or breaks off, and the dataset stays unchanged", async () => {
    const id = await newDataset();
    const path = `${ROOT}/${id}:upload`;
    const before = await setup.blobs.list("datasets/");
    const answers = [
      await send(path, FORM, form('name="other"\r\n\r\nx')),
      await send(path, FORM, form('name="purpose"\r\n\r\nfine-tune', filePart("a.jsonl"))),
      await send(path, FORM, form(filePart("a.jsonl"), 'name="purpose"\r\n\r\nfine-tune')),
      await send(path, FORM, form(filePart("a.jsonl"), filePart("b.jsonl"))),
      await send(path, FORM, `--x\r\nContent-Disposition: form-data; ${filePart("a.jsonl")}`),
      await send(path, FORM, ""),
      await send(path, { "content-type": "multipart/form-data" }, form(filePart("a.jsonl"))),
      await send(path, { "content-type": "application/json" }, "{}"),
    ];
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 400));
    expect(await setup.blobs.list("datasets/")).toEqual(before);
    expect((await validate(id)).body).toMatchObject({ code: 9 });
  });

  test("is streamed to the store when it has 150 MB", async () => {
    const id = await newDataset();
    const line = Buffer.from(`${JSON.stringify(chatRow(1, { pad: "x".repeat(2 ** 20) }))}\n`);
    const lines = Math.floor(MAX_FORM_FILE_BYTES / line.length);
    const before = storedBytes;
    let sentBytes = 0;
    let mostBehindBytes = 0;
    function* body(): Generator<Buffer> {
      yield Buffer.from(`--x\r\nContent-Disposition: form-data; ${filePart("big.jsonl", "")}`);
      for (let i = 0; i <= lines; i++) {
        const piece = i < lines ? line : Buffer.alloc(MAX_FORM_FILE_BYTES - lines * line.length, "\n");
        sentBytes += piece.length;
        mostBehindBytes = Math.max(mostBehindBytes, sentBytes - (storedBytes - before));
        yield piece;
      }
      yield Buffer.from("\r\n--x--\r\n");
    }
    const answer = await send(`${ROOT}/${id}:upload`, FORM, body());
    expect(answer).toMatchObject({ status: 200, body: { bytes: MAX_FORM_FILE_BYTES } });
    expect(mostBehindBytes).toBeLessThan(MAX_FORM_FILE_BYTES / 4);
    expect((await validate(id)).status).toBe(200);
    expect((await get(id)).exampleCount).toBe(String(lines));
  });

  test("is refused above 150 MB, with or without a content-length, and nothing of the file is stored", async () => {
    const id = await newDataset();
    const path = `${ROOT}/${id}:upload`;
    const before = await setup.blobs.list("datasets/");
    function* body(): Generator<Buffer> {
      yield Buffer.from(`--x\r\nContent-Disposition: form-data; ${filePart("big.jsonl", "")}`);
      for (let i = 0; i < 150; i++) yield Buffer.alloc(2 ** 20, "\n");
      yield Buffer.from("\n\r\n--x--\r\n");
    }
    const length = { ...FORM, "content-length": String(2 * MAX_FORM_FILE_BYTES) };
    for (const answer of [await send(path, FORM, body()), await refusedByLength(path, length)]) {
      expect(answer.status).toBe(413);
      expect(answer.body.message).toContain(":getUploadEndpoint");
    }
    expect(await setup.blobs.list("datasets/")).toEqual(before);
  });

  /** The response to a request whose headers arrive and whose body never does. */
  function refusedByLength(path: string, headers: Record<string, string>): Promise<TestResponse> {
    return new Promise((resolve, reject) => {
      const url = new URL(setup.origin + path);
      const call = request(url, { method: "POST", headers: { authorization: `Bearer ${ACME}`, ...headers } });
      call.on("response", (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => {
          resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(parts).toString()) });
          call.destroy();
        });
      });
      call.on("error", reject);
      call.flushHeaders();
    });
  }
});

describe("signed upload URLs", () => {
  const endpoint = (id: string, filenameToSize: object): Promise<TestResponse> =>
    setup.call("POST", `${ROOT}/${id}:getUploadEndpoint`, { filenameToSize });

  test("accept files of the declared sizes only", async () => {
    const id = await newDataset();
    const content = jsonl(chatRows(3));
    const { status, body } = await endpoint(id, {
      "a.jsonl": content.length,
      "b.jsonl": String(content.length),
    });
    expect(status).toBe(200);
    const { "a.jsonl": a, "b.jsonl": b } = body.filenameToSignedUrls;
    const missing = await validate(id);
    expect(missing).toMatchObject({ status: 400, body: { code: 9 } });
    expect(missing.body.message).toContain("a.jsonl, b.jsonl");
    expect(await setup.put(a, `${content}x`)).toBe(400);
    expect(await setup.put(a, content)).toBe(200);
    expect((await validate(id)).body.message).toContain("b.jsonl");
    expect(await setup.put(b, content)).toBe(200);
    expect((await validate(id)).status).toBe(200);
    expect(await get(id)).toMatchObject({ state: "READY", exampleCount: "6", averageTurnCount: 1 });
  });

  test("can't change a dataset that is READY", async () => {
    const id = await newDataset();
    const content = jsonl(chatRows(3));
    const first = (await endpoint(id, { "a.jsonl": content.length })).body.filenameToSignedUrls["a.jsonl"];
    const second = (await endpoint(id, { "a.jsonl": content.length })).body.filenameToSignedUrls["a.jsonl"];
    expect(await setup.put(second, content)).toBe(200);
    expect((await validate(id)).status).toBe(200);
    expect(await setup.put(first, "x".repeat(content.length))).toBe(200);
    expect(await setup.put(second, "x".repeat(content.length))).toBe(409);
    const { body } = await setup.call("GET", `${ROOT}/${id}:getDownloadEndpoint`);
    expect(await (await fetch(body.filenameToSignedUrls["a.jsonl"])).text()).toBe(content);
    expect(await endpoint(id, { "c.jsonl": "5" })).toMatchObject({ status: 400, body: { code: 9 } });
    expect(await setup.upload(id, content)).toMatchObject({ status: 400, body: { code: 9 } });
    expect((await validate(id)).status).toBe(200);
  });

  test.each<[string, object]>([
    ["a path", { "../a.jsonl": "5" }],
    ["an absolute path", { "/a.jsonl": "5" }],
    ["a folder", { "a/b.jsonl": "5" }],
    ["another kind of file", { "a.zip": "5" }],
    ["no size", { "a.jsonl": "0" }],
    ["a size above 5 GiB", { "a.jsonl": "10737418240" }],
    ["a size of more than 64 bits", { "a.jsonl": "99999999999999999999" }],
    ["a negative size", { "a.jsonl": "-5" }],
    [
      "more than 50 GiB",
      Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`f${i}.jsonl`, 5 * 1024 ** 3])),
    ],
    ["no file", {}],
    ["101 files", Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}.jsonl`, "5"]))],
  ])("are not issued for %s", async (_name, sizes) => {
    const id = await newDataset();
    const { status, body } = await endpoint(id, sizes);
    expect(status).toBe(400);
    expect(JSON.stringify(body.details)).toContain("filenameToSize");
    expect((await validate(id)).body).toMatchObject({ code: 9 });
  });
});

describe("a check", () => {
  test("counts the rows, detects the format and corrects a wrong exampleCount", async () => {
    const id = await newDataset({ exampleCount: "10" });
    await setup.upload(id, jsonl(chatRows(5)));
    expect(await validate(id)).toEqual({ status: 200, body: {} });
    const dataset = await get(id);
    expect(dataset).toMatchObject({ state: "READY", exampleCount: "5", format: "CHAT", averageTurnCount: 1 });
    expect(dataset.status).toEqual({
      code: "OK",
      message: "exampleCount was given as 10; the files hold 5 examples.",
    });
    expect(Number(dataset.estimatedTokenCount)).toBeGreaterThan(0);
  });

  test("names faults by file and line in the response and in the status, and passes after a correction", async () => {
    const id = await newDataset();
    const bad = `${jsonl(chatRows(2))}\n{"messages":[{"role":"bot","content":"x"}]}\n`;
    await setup.upload(id, bad);
    const refused = await validate(id);
    expect(refused).toMatchObject({ status: 400, body: { code: 3 } });
    expect(refused.body.message).toBe(
      "train.jsonl, line 4: messages[0].role must be system, user, assistant or tool.",
    );
    const dataset = await get(id);
    expect(dataset.state).toBe("UPLOADING");
    expect(dataset.status).toEqual({ code: "INVALID_ARGUMENT", message: refused.body.message });
    await setup.upload(id, jsonl(chatRows(3)));
    expect((await validate(id)).status).toBe(200);
    expect((await get(id)).status).toEqual({ code: "OK", message: "" });
  });

  test("refuses two examples, rows of another format than was declared, and a line of 100 MB", async () => {
    const few = await newDataset();
    await setup.upload(few, jsonl(chatRows(2)));
    expect((await validate(few)).body.message).toContain("too few examples: 2");
    const other = await newDataset({ format: "COMPLETION" });
    await setup.upload(other, jsonl(chatRows(3)));
    expect((await validate(other)).body.message).toContain("a dataset of the format COMPLETION can't hold");
    const long = await newDataset();
    await setup.upload(long, new Blob([jsonl(chatRows(1)), '{"a":"', "x".repeat(100_000_000), '"}\n']));
    expect((await validate(long)).body.message).toBe("train.jsonl, line 2: is longer than 16777216 bytes.");
  });

  test("accepts prompts for reinforcement learning and preference pairs", async () => {
    const prompts = await newDataset();
    const prompt = { messages: [{ role: "user", content: "1+1?" }], ground_truth: 2 };
    await setup.upload(prompts, jsonl([prompt, prompt, prompt]));
    expect((await validate(prompts)).status).toBe(200);
    expect((await get(prompts)).format).toBe("RL");
    const pairs = await newDataset();
    const answer = (content: string): object[] => [{ role: "assistant", content }];
    const pair = { input: prompt, preferred_output: answer("2"), non_preferred_output: answer("3") };
    await setup.upload(pairs, jsonl([pair, pair, pair]));
    expect((await validate(pairs)).status).toBe(200);
    expect((await get(pairs)).format).toBe("CHAT");
  });

  test("that two requests start at the same time runs once and gives both the same result", async () => {
    const id = await newDataset();
    await setup.upload(id, jsonl(chatRows(3)));
    const answers = await Promise.all([validate(id), validate(id), validate(id)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await get(id)).state).toBe("READY");
  });

  test("begins anew when a file or a field changes meanwhile, and a waiting request gets the last result", async () => {
    const id = await newDataset();
    beforeRead = () => setup.upload(id, jsonl(chatRows(4)));
    await setup.upload(id, jsonl(chatRows(3)));
    expect((await validate(id)).status).toBe(200);
    expect(await get(id)).toMatchObject({ state: "READY", exampleCount: "4" });
    const other = await newDataset();
    afterRead = () => setup.call("PATCH", `${ROOT}/${other}`, { format: "COMPLETION" });
    await setup.upload(other, jsonl(chatRows(3)));
    expect((await validate(other)).body.message).toContain("a dataset of the format COMPLETION can't hold");
    expect((await get(other)).state).toBe("UPLOADING");
  });

  test("ends with 409 when a file for a signed URL is declared meanwhile, and with 404 when the dataset is deleted", async () => {
    const id = await newDataset();
    const sizes = { filenameToSize: { "more.jsonl": 5 } };
    afterRead = () => setup.call("POST", `${ROOT}/${id}:getUploadEndpoint`, sizes);
    await setup.upload(id, jsonl(chatRows(3)));
    await expect.poll(async () => (await get(id)).status.code).toBe("ABORTED");
    expect((await get(id)).state).toBe("UPLOADING");
    const deleted = await newDataset();
    afterRead = () => setup.call("DELETE", `${ROOT}/${deleted}`);
    await setup.upload(deleted, jsonl(chatRows(3)));
    expect(await validate(deleted)).toMatchObject({ status: 404, body: { code: 5 } });
    await setup.uploaded(deleted, chatRows(5));
    expect((await validate(deleted)).status).toBe(200);
    expect((await get(deleted)).exampleCount).toBe("5");
  });

  test("that takes long goes on after its request returns, and a repeated request waits for it", async () => {
    const id = await newDataset();
    let read = (): void => {};
    beforeRead = () =>
      new Promise<void>((resolve) => {
        read = resolve;
      });
    await setup.upload(id, jsonl(chatRows(3)));
    // A waiting request reads the row once a second of the fake clock, and returns after 20 seconds.
    const time = setInterval(() => setup.clock.advance(1_000), 10);
    expect(await validate(id)).toEqual({ status: 200, body: {} });
    clearInterval(time);
    const dataset = await get(id);
    expect(dataset.state).toBe("UPLOADING");
    expect(dataset.status).toEqual({ code: "OK", message: "The rows are being checked." });
    const second = validate(id);
    read();
    expect(await second).toEqual({ status: 200, body: {} });
    expect((await get(id)).state).toBe("READY");
  });

  test("waits for a free process when many datasets are checked at once", async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => newDataset()));
    await Promise.all(ids.map((id) => setup.upload(id, jsonl(chatRows(3)))));
    const answers = await Promise.all(ids.map(validate));
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
  });
});

test("a check is continued by another process when its process dies", async () => {
  const id = await newDataset();
  await setup.datasets.close();
  let end = (): void => {};
  // The clock of the first process stands still, so it no longer renews its lease on the work.
  const stuck = new Promise<Datasets>((resolve) => {
    const datasets = setup.anotherProcess(new FakeClock(setup.clock.now()), (blobs) => ({
      ...blobs,
      read: () => {
        resolve(datasets);
        return new Promise((_, reject) => {
          end = () => reject(new Error("gone"));
        });
      },
    }));
    void datasets.start();
  });
  await setup.upload(id, jsonl(chatRows(3)));
  const gone = await stuck;
  setup.clock.advance(60_000);
  const other = setup.anotherProcess(setup.clock);
  await other.start();
  await expect.poll(async () => (await get(id)).state, { timeout: 30_000 }).toBe("READY");
  end();
  await Promise.all([gone.close(), other.close()]);
});
