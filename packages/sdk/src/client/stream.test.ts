import { expect, test } from "vitest";
import { Fireworks } from "./client.ts";
import { ApiError, AuthenticationError, ConnectionError, InvalidResponseError } from "./errors.ts";
import { controlError, instantRuntime, type Reply, scriptedFetch } from "./testing.ts";

function clientOf(...replies: readonly Reply[]) {
  const { fetch, sent } = scriptedFetch(...replies);
  return { client: new Fireworks({ apiKey: "fw_k", baseURL: "http://host", fetch }, instantRuntime()), sent };
}

/** A response of these chunks; with `isOpen` it stays open after them. */
function events(texts: readonly string[], isOpen = false): { reply: Response; wasCancelled: () => boolean } {
  let cancelled = false;
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const text of texts) controller.enqueue(encoder.encode(text));
      if (!isOpen) controller.close();
    },
    cancel() {
      cancelled = true;
    },
  });
  const reply = new Response(stream, {
    headers: { "content-type": "text/event-stream", "x-request-id": "r" },
  });
  return { reply, wasCancelled: () => cancelled };
}

const CHAT = { model: "m", messages: [{ role: "user", content: "x" }], stream: true } as const;
const chunk = (text: string) => `data: ${JSON.stringify({ choices: [{ delta: { content: text } }] })}\n\n`;

async function textOf(client: Fireworks): Promise<string> {
  let text = "";
  for await (const event of await client.chat.completions.create(CHAT))
    text += event.choices[0]?.delta.content;
  return text;
}

test("a stream yields its events up to [DONE]", async () => {
  const { client, sent } = clientOf(
    events([chunk("a"), chunk("b"), "data: [DONE]\n\n", chunk("beyond")]).reply,
  );
  expect(await textOf(client)).toBe("ab");
  expect(sent[0]?.body).toMatchObject({ stream: true });
  expect(sent[0]?.headers.get("accept")).toBe("text/event-stream");
});

test("a stream that ends before [DONE] throws a ConnectionError", async () => {
  await expect(textOf(clientOf(events([chunk("a")]).reply).client)).rejects.toThrow(ConnectionError);
});

test("an error event is thrown after the events before it", async () => {
  const failure = { error: { message: "The key fw_k broke.", code: "UNAVAILABLE", type: "server_error" } };
  const { client } = clientOf(
    events([chunk("a"), `event: error\ndata: ${JSON.stringify(failure)}\n\n`]).reply,
  );
  const seen: unknown[] = [];
  const read = async () => {
    for await (const event of await client.chat.completions.create(CHAT)) seen.push(event);
  };
  const error = (await read().catch((one: unknown) => one)) as ApiError;
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({
    code: "UNAVAILABLE",
    message: "The key … broke.",
    status: 200,
    requestId: "r",
  });
  expect(seen).toHaveLength(1);
});

test("an error response instead of a stream throws its ApiError", async () => {
  const { client } = clientOf(controlError(401, 16, "No."));
  await expect(client.chat.completions.create(CHAT)).rejects.toBeInstanceOf(AuthenticationError);
});

test("a response that is not an event stream throws an InvalidResponseError", async () => {
  const { client } = clientOf(new Response("<html>", { headers: { "content-type": "text/html" } }));
  await expect(client.chat.completions.create(CHAT)).rejects.toThrow(
    /http:\/\/host answered 200 with a web page/,
  );
  await expect(textOf(clientOf(events(["data: {]\n\n"]).reply).client)).rejects.toBeInstanceOf(
    InvalidResponseError,
  );
});

test("leaving the loop, closing and aborting abort the request", async () => {
  const left = events([chunk("a")], true);
  for await (const _ of await clientOf(left.reply).client.chat.completions.create(CHAT)) break;
  expect(left.wasCancelled()).toBe(true);

  const signals: AbortSignal[] = [];
  const open: Reply = (_, signal) => {
    signals.push(signal);
    return events([], true).reply;
  };
  (await clientOf(open).client.chat.completions.create(CHAT)).close();
  const abort = new AbortController();
  await clientOf(open).client.chat.completions.create(CHAT, { signal: abort.signal });
  abort.abort();
  expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
});

test("streams of messages and responses end with their last event", async () => {
  const message = { model: "m", max_tokens: 1, messages: [], stream: true } as const;
  const end = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
  const { client } = clientOf(
    events(['event: ping\ndata: {"type":"ping"}\n\n', end], true).reply,
    events(['event: response.completed\ndata: {"type":"response.completed"}\n\n'], true).reply,
  );
  const types: unknown[] = [];
  for await (const event of await client.messages.create(message)) types.push(event.type);
  for await (const event of await client.responses.create({ model: "m", input: "x", stream: true }))
    types.push(event["type"]);
  expect(types).toEqual(["ping", "message_stop", "response.completed"]);
});
