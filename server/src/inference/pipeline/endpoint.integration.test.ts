import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type HttpResponse, openStream, post } from "../../../test/harness/http.ts";
import { createFakeEngine, type FakeEngine } from "../../engine/fake-engine.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import type { UsageRow } from "../../metering/usage/service.ts";
import { startInference, type TestInference } from "../testing.ts";
import type { Endpoint } from "./endpoint.ts";
import { endpointRoute } from "./pipeline.ts";
import type { InferenceRequest } from "./request.ts";

const SPEECH = "/v1/audio/speech";
const UPLOAD = "/v1/audio/upload";
const MODEL = "accounts/fireworks/models/voice";
const MS_PER_WORD = 300;

const speechRequest = Type.Object(
  { model: Type.String(), text: Type.String({ minLength: 1 }), stream: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);
type SpeechRequest = Static<typeof speechRequest>;
const compiled = Compile(speechRequest);

/** Speech of a fake model, billed by its duration and not by tokens: each word of the engine's output lasts equally long. */
async function speak(request: InferenceRequest<SpeechRequest>): Promise<void> {
  const { body, record, replica, target } = request;
  const generation = replica.generate(
    {
      id: target.id,
      input: { kind: "text", text: body.text, addBos: false },
      sampling: { temperature: 0 },
      n: 1,
      maxTokens: 100,
      stop: [],
      stream: true,
    },
    target.signal,
  );
  for await (const event of generation) {
    if (event.type === "delta") {
      record.quantity += MS_PER_WORD;
      if (body.stream !== true) continue;
      await record.ensureOpened();
      const stream = request.stream ?? request.openStream();
      stream.send(JSON.stringify({ durationMs: record.quantity }));
    } else if (event.type === "end" && event.aborted) {
      request.cancel();
      return;
    }
  }
  const { stream } = request;
  if (stream === null) request.respondJson(JSON.stringify({ durationMs: record.quantity }));
  else request.complete(() => stream.end());
}

const speech: Endpoint<SpeechRequest> = {
  paths: [SPEECH, `/inference${SPEECH}`],
  operationId: "createSpeech",
  summary: "Speech",
  requestSchema: speechRequest,
  responseTypes: ["application/json", "text/event-stream"],
  name: "audio/speech",
  kind: "audio",
  bodyLimitBytes: 1_000,
  errorFields: { invalid_prompt: "text" },
  parse(body) {
    if (!compiled.Check(body)) throw badRequest("text", "The body is no speech request.");
    return body;
  },
  estimate: () => ({ n: 1, bodySizeBytes: 0, maxTokens: 0 }),
  promptPrefix: ({ text }) => text,
  serve: (request) => serve(request),
};

/** Wraps a body that is not a JSON object, as an endpoint for uploads would. */
const upload: Endpoint<SpeechRequest> = {
  ...speech,
  paths: [UPLOAD],
  operationId: "uploadSpeech",
  readBody(exchange, limitBytes, done) {
    exchange.readJson(limitBytes, (error, text) => done(error, { model: MODEL, text }));
  },
};

let inference: TestInference;
let engine: FakeEngine;
let serve: (request: InferenceRequest<SpeechRequest>) => Promise<void>;

beforeAll(async () => {
  inference = await startInference({
    engine: () => engine,
    resolve(name) {
      if (name !== MODEL) throw new AppError("NOT_FOUND", "Model not found.", { param: "model" });
      return { name, fallbackUsed: false };
    },
    limits: { maxInFlight: 2 },
    routes: (deps) => [endpointRoute(speech, deps), endpointRoute(upload, deps)],
  });
});
afterAll(() => inference.close());
beforeEach(() => {
  engine = createFakeEngine();
  serve = speak;
});

const send = (body: unknown): Promise<HttpResponse> => post(inference.target, SPEECH, body);

/** The ledger's rows of one request. */
async function rowsOf(response: Pick<HttpResponse, "headers">): Promise<UsageRow[]> {
  await inference.ledger.flush();
  const rows = await inference.ledger.list({ accountId: "local" });
  return rows.filter(({ id }) => id.replaceAll("-", "") === response.headers["x-request-id"]);
}

describe("an endpoint that counts no tokens", () => {
  test("leaves one row with its kind and its quantity", async () => {
    const response = await send({ model: MODEL, text: "one two three" });
    expect(response.status, response.text).toBe(200);
    const durationMs = 3 * MS_PER_WORD;
    expect(response.json).toEqual({ durationMs });
    expect(await rowsOf(response)).toEqual([
      expect.objectContaining({
        endpoint: "audio/speech",
        kind: "audio",
        model: MODEL,
        outcome: "ok",
        status: 200,
        promptTokens: 0,
        completionTokens: 0,
        quantity: durationMs,
      }),
    ]);
    expect(inference.routed.at(-1)).toMatchObject({ deployment: MODEL, promptPrefix: "one two three" });
  });

  test("may stream, with its account's limits in the headers", async () => {
    const response = await send({ model: MODEL, text: "one two", stream: true });
    expect(response.text).toBe(`data: {"durationMs":300}\n\ndata: {"durationMs":600}\n\ndata: [DONE]\n\n`);
    expect(response.headers["x-ratelimit-limit-requests"]).toBeDefined();
    expect(await rowsOf(response)).toEqual([expect.objectContaining({ outcome: "ok", quantity: 600 })]);
  });

  test("may read its body itself", async () => {
    const response = await post(inference.target, UPLOAD, '"one two"');
    expect(response.json).toEqual({ durationMs: 600 });
  });
});

describe("the pipeline records a refusal", () => {
  test.each<[string, unknown, number, string]>([
    ["by the body limit", { model: MODEL, text: "x".repeat(1_000) }, 413, ""],
    ["by the endpoint's parser", { model: MODEL, words: 1 }, 400, ""],
    ["by the model's name", { model: "unknown", text: "one" }, 404, ""],
  ])("%s", async (_step, body, status, model) => {
    const response = await send(body);
    expect(response.status).toBe(status);
    expect(await rowsOf(response)).toEqual([
      expect.objectContaining({ kind: "audio", outcome: "rejected", status, model, quantity: 0 }),
    ]);
  });

  test("by admission", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    engine = createFakeEngine({ gate: () => gate });
    const running = [send({ model: MODEL, text: "one" }), send({ model: MODEL, text: "one" })];
    await expect.poll(() => inference.limits.inFlight("local")).toBe(2);
    const response = await send({ model: MODEL, text: "one" });
    expect(response.status).toBe(429);
    expect(await rowsOf(response)).toEqual([
      expect.objectContaining({ kind: "audio", outcome: "rejected", status: 429, quantity: 0 }),
    ]);
    release();
    await Promise.all(running);
  });
});

describe("the pipeline settles admission and leaves one row", () => {
  test.each<[string, () => void, number, object]>([
    ["when the work succeeds", () => {}, 200, { outcome: "ok", quantity: 600 }],
    [
      "when the work throws",
      () => {
        serve = async () => {
          throw new Error("a defect");
        };
      },
      500,
      { outcome: "error" },
    ],
    [
      "when the work gives no response",
      () => {
        serve = async () => {};
      },
      500,
      { outcome: "error" },
    ],
    [
      "when the engine fails",
      () => {
        engine = createFakeEngine({ failure: () => ({ code: "bad_reply", afterTokens: 1 }) });
      },
      502,
      { outcome: "error", quantity: 300 },
    ],
    [
      "when the engine refuses the input",
      () => {
        engine = createFakeEngine({ failure: () => ({ code: "invalid_prompt", afterTokens: 0 }) });
      },
      400,
      { outcome: "rejected" },
    ],
  ])("%s", async (_case, prepare, status, row) => {
    prepare();
    const response = await send({ model: MODEL, text: "one two" });
    expect(response.status).toBe(status);
    if (status === 400) expect(response.json.error.param).toBe("text");
    expect(inference.limits.inFlight("local")).toBe(0);
    expect(await rowsOf(response)).toEqual([expect.objectContaining({ kind: "audio", status, ...row })]);
  });

  test("when a stream breaks off, which ends with an error event", async () => {
    engine = createFakeEngine({ failure: () => ({ code: "bad_reply", afterTokens: 1 }) });
    const response = await send({ model: MODEL, text: "one two", stream: true });
    expect(response.status).toBe(200);
    expect(response.text).toContain('"code":"BAD_GATEWAY"');
    expect(response.text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(inference.limits.inFlight("local")).toBe(0);
    expect(await rowsOf(response)).toEqual([
      expect.objectContaining({ outcome: "error", status: 502, quantity: 300 }),
    ]);
  });

  test("with status 499 and the quantity so far, when the client leaves", async () => {
    let release = (): void => {};
    engine = createFakeEngine({
      gate: ({ token }) => (token < 2 ? undefined : new Promise((resolve) => (release = resolve))),
    });
    const opened = await openStream(inference.target, SPEECH, {
      model: MODEL,
      text: "one two three four",
      stream: true,
    });
    await expect.poll(() => engine.active).toBe(1);
    opened.drop();
    await expect
      .poll(async () => {
        release();
        return await rowsOf(opened.response);
      })
      .toEqual([expect.objectContaining({ kind: "audio", outcome: "cancelled", status: 499 })]);
    const [row] = await rowsOf(opened.response);
    expect(row?.quantity).toBeGreaterThanOrEqual(2 * MS_PER_WORD);
    expect(inference.limits.inFlight("local")).toBe(0);
  });
});
