/**
 * The model server of the gateway benchmark: prepared bytes on raw sockets. It parses as little of a request as possible,
 * so that its cost is far below that of the gateways.
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { streamEvents, wholeResponse } from "./traffic.ts";

const HEAD_END = Buffer.from("\r\n\r\n");
const STREAM_MARK = Buffer.from('"stream":true');
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

function whole(body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const CHAT_RESPONSE = whole(wholeResponse());
const OTHER_REPLY = whole('{"object":"list","data":[]}');
const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

/** Each event as one HTTP chunk; the head travels with the first, the end with the last. */
const STREAM_PIECES: Buffer[] = streamEvents().map((event, i, all) => {
  const chunk = `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`;
  return Buffer.from(`${i === 0 ? STREAM_HEAD : ""}${chunk}${i === all.length - 1 ? LAST_CHUNK : ""}`);
});

/** Open streams. Each gets its next piece once per turn of the event loop, so that pieces arrive one by one. */
const streams = new Map<Socket, number>();
let ticking = false;

function tick(): void {
  for (const [socket, next] of streams) {
    socket.write(STREAM_PIECES[next]!);
    if (next + 1 === STREAM_PIECES.length) streams.delete(socket);
    else streams.set(socket, next + 1);
  }
  ticking = streams.size > 0;
  if (ticking) setImmediate(tick);
}

function answer(socket: Socket, request: Buffer, headEnd: number): void {
  if (request[0] !== 0x50 /* P of POST */) {
    socket.write(OTHER_REPLY);
  } else if (request.indexOf(STREAM_MARK, headEnd) === -1) {
    socket.write(CHAT_RESPONSE);
  } else {
    streams.set(socket, 0);
    if (!ticking) {
      ticking = true;
      setImmediate(tick);
    }
  }
}

/** True when the request is complete. */
function isWhole(request: Buffer, headEnd: number): boolean {
  const head = request.toString("latin1", 0, headEnd);
  const length = /content-length: *(\d+)/i.exec(head);
  if (length !== null) return request.length >= headEnd + 4 + Number(length[1]);
  return /transfer-encoding: *chunked/i.test(head) ? request.subarray(-5).equals(LAST_CHUNK) : true;
}

/** Resolves with the port. */
export function startUpstream(): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    let pending: Buffer | null = null;
    socket.on("data", (chunk) => {
      const request: Buffer = pending === null ? chunk : Buffer.concat([pending, chunk]);
      const headEnd = request.indexOf(HEAD_END);
      if (headEnd === -1 || !isWhole(request, headEnd)) {
        pending = request;
        return;
      }
      pending = null;
      answer(socket, request, headEnd);
    });
    socket.on("error", () => {});
    socket.on("close", () => streams.delete(socket));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
