import { expect, test, vi } from "vitest";
import { Fireworks } from "../client/client.ts";
import { ConnectionError, InputError } from "../client/errors.ts";

type Listener = (event: object) => void;

/** A fake WebSocket that the test controls. */
class FakeSocket {
  static last: FakeSocket;
  binaryType = "";
  readonly sent: unknown[] = [];
  readonly url: string;
  isClosed = false;
  readonly #listeners = new Map<string, Listener[]>();

  constructor(url: string) {
    this.url = url;
    FakeSocket.last = this;
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener as Listener]);
  }

  emit(type: string, event: object = {}): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }

  say(message: unknown): void {
    this.emit("message", { data: JSON.stringify(message) });
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(): void {
    this.isClosed = true;
  }
}

const client = new Fireworks({ apiKey: "fw_test_key", baseURL: "https://host" });

async function openStream(signal?: AbortSignal) {
  const opening = client.audio.transcriptions.stream({ language: "en" }, { WebSocket: FakeSocket, signal });
  FakeSocket.last.emit("open");
  return { stream: await opening, socket: FakeSocket.last };
}

test("a transcription stream sends audio and yields text until the host closes it", async () => {
  const { stream, socket } = await openStream();
  expect(socket.url).toBe(
    "wss://host/inference/v1/audio/transcriptions/streaming?language=en&Authorization=fw_test_key",
  );
  stream.send(new Uint8Array([1, 2]));
  stream.checkpoint("final");
  socket.say({ segments: [{ id: "0", text: "Hello" }] });
  setTimeout(() => {
    socket.say({ checkpoint_id: "final" });
    socket.emit("close", { code: 1_000 });
  });
  const events: unknown[] = [];
  for await (const event of stream) events.push(event);
  expect(socket.sent).toEqual([new Uint8Array([1, 2]), '{"checkpoint_id":"final"}']);
  expect(events).toEqual([{ segments: [{ id: "0", text: "Hello" }] }, { checkpoint_id: "final" }]);
  expect(() => stream.send(new Uint8Array())).toThrow(ConnectionError);
});

test.each([
  ["a lost connection", (socket: FakeSocket) => socket.emit("close", { code: 1_006 })],
  ["a failure", (socket: FakeSocket) => socket.emit("error")],
  ["a message that isn't JSON", (socket: FakeSocket) => socket.emit("message", { data: "<html>" })],
  ["too many unread events", (socket: FakeSocket) => Array.from({ length: 10_001 }, () => socket.say({}))],
])("a transcription stream ends on %s with an error that names the host and not the key", async (_, fail) => {
  const { stream, socket } = await openStream();
  fail(socket);
  const read = async () => {
    for await (const _event of stream);
  };
  await expect(read()).rejects.toThrow("The connection to https://host broke.");
  expect(socket.isClosed).toBe(true);
});

test("an unreachable host rejects the call, and an abort ends the iteration", async () => {
  const failing = client.audio.transcriptions.stream({}, { WebSocket: FakeSocket });
  FakeSocket.last.emit("error");
  await expect(failing).rejects.toBeInstanceOf(ConnectionError);
  const abort = new AbortController();
  const { stream, socket } = await openStream(abort.signal);
  abort.abort(new Error("enough"));
  expect(socket.isClosed).toBe(true);
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow("enough");
});

test("leaving the loop closes the connection", async () => {
  const { stream, socket } = await openStream();
  socket.say({ segments: [] });
  for await (const _ of stream) break;
  expect(socket.isClosed).toBe(true);
});

test("a runtime without WebSocket is refused with a hint", async () => {
  vi.stubGlobal("WebSocket", undefined);
  await expect(client.audio.transcriptions.stream()).rejects.toBeInstanceOf(InputError);
  vi.unstubAllGlobals();
});
