/**
 * The load of the gateway benchmark, in one process of its own together with the upstream: a closed loop of
 * keep-alive connections on raw sockets with prepared bytes. Talks to the benchmark over the process's channel.
 */
import { connect, type Socket } from "node:net";
import { percentile } from "../stats.ts";
import { startUpstream } from "./upstream.ts";

export interface LoadOrder {
  port: number;
  path: string;
  headers: Record<string, string>;
  body: string;
  connections: number;
  warmUpMs: number;
  /** The warm-up ends early after this many responses. */
  warmUpRequests?: number;
  measureMs: number;
}

export interface LoadResult {
  requests: number;
  seconds: number;
  p50Ms: number;
  p99Ms: number;
  /** Responses other than 200, and lost connections. */
  failures: number;
  /** The first failed response, for the report. */
  sample: string | null;
  /** CPU time of this process in the measured time. */
  loadCpuMs: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const FIRST_RESPONSE_LIMIT_MS = 20_000;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

function requestBytes(order: LoadOrder): Buffer {
  const headers = Object.entries(order.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${order.path} HTTP/1.1\r\nhost: 127.0.0.1:${order.port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(order.body)}\r\n${headers.join("")}\r\n${order.body}`,
  );
}

/** Finds the end of a response in the bytes of a connection. */
class ResponseReader {
  /** Bytes of the body still missing; −1: the head is incomplete; −2: the body is chunked. */
  #missing = -1;
  #head = "";
  #tail = Buffer.alloc(0);
  ok = false;
  start = "";

  /** True when this chunk completes the response. */
  read(chunk: Buffer): boolean {
    if (this.#missing === -1 && !this.#readHead(chunk)) return false;
    if (this.#missing === -2) return this.#endsChunked(chunk);
    if (this.#missing > 0) return false;
    this.#missing = -1;
    return true;
  }

  #readHead(chunk: Buffer): boolean {
    const end = chunk.indexOf(HEAD_END);
    if (end === -1) {
      // A head in two pieces is rare, so the slow path may build a string.
      this.#head += chunk.toString("latin1");
      const at = this.#head.indexOf("\r\n\r\n");
      if (at === -1) return false;
      this.#take(this.#head.slice(0, at), this.#head.length - at - 4);
    } else {
      this.#take(this.#head + chunk.toString("latin1", 0, end), chunk.length - end - 4);
    }
    this.#head = "";
    return true;
  }

  #take(head: string, bodyBytes: number): void {
    this.ok = head.startsWith("200", 9);
    this.start = head.slice(0, 200);
    const at = head.search(/content-length:/i);
    this.#missing = at === -1 ? -2 : Number.parseInt(head.slice(at + 15), 10) - bodyBytes;
  }

  #endsChunked(chunk: Buffer): boolean {
    const bytes = chunk.length >= 5 ? chunk : Buffer.concat([this.#tail, chunk]);
    if (bytes.length >= 5 && bytes.subarray(-5).equals(LAST_CHUNK)) {
      this.#missing = -1;
      this.#tail = Buffer.alloc(0);
      return true;
    }
    this.#tail = Buffer.from(bytes.subarray(-5));
    return false;
  }

  /** Counts body bytes of a response with a content-length; true when the response is complete. */
  body(bytes: number): boolean {
    if (this.#missing <= 0) return false;
    this.#missing -= bytes;
    if (this.#missing > 0) return false;
    this.#missing = -1;
    return true;
  }

  get inBody(): boolean {
    return this.#missing > 0;
  }
}

interface Run {
  bytes: Buffer;
  latenciesMs: number[];
  measuring: boolean;
  stopped: boolean;
  /** Responses of the warm-up; `onWarm` is called after `warmUpRequests` of them. */
  warmUps: number;
  warmUpRequests: number;
  onWarm(): void;
  requests: number;
  failures: number;
  sample: string | null;
}

function openConnection(order: LoadOrder, run: Run): Socket {
  const reader = new ResponseReader();
  const buffer = Buffer.alloc(64 * 1024);
  let sentMs = 0;
  const send = () => {
    sentMs = performance.now();
    socket.write(run.bytes);
  };
  const onData = (length: number): boolean => {
    const whole = reader.inBody ? reader.body(length) : reader.read(buffer.subarray(0, length));
    if (!whole) return true;
    if (run.measuring) {
      run.requests += 1;
      run.latenciesMs.push(performance.now() - sentMs);
    } else if (++run.warmUps === run.warmUpRequests) {
      run.onWarm();
    }
    if (!reader.ok) {
      run.failures += 1;
      run.sample ??= reader.start + buffer.toString("latin1", 0, Math.min(length, 600));
    }
    if (!run.stopped) send();
    return true;
  };
  const socket = connect({
    port: order.port,
    host: "127.0.0.1",
    noDelay: true,
    onread: { buffer, callback: onData },
  });
  socket.once("connect", send);
  socket.once("error", () => {});
  socket.once("close", () => {
    if (!run.stopped) {
      run.failures += 1;
      run.sample ??= "connection closed";
    }
  });
  return socket;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** `onPhase` marks the start and the end of the measured time. */
export async function runLoad(
  order: LoadOrder,
  onPhase: (phase: "start" | "end") => void,
): Promise<LoadResult> {
  const run: Run = {
    bytes: requestBytes(order),
    latenciesMs: [],
    measuring: false,
    stopped: false,
    warmUps: 0,
    warmUpRequests: order.warmUpRequests ?? Number.POSITIVE_INFINITY,
    onWarm() {},
    requests: 0,
    failures: 0,
    sample: null,
  };
  const warm = new Promise<void>((resolve) => {
    run.onWarm = resolve;
  });
  const sockets = Array.from({ length: order.connections }, () => openConnection(order, run));
  await Promise.race([sleep(order.warmUpMs), warm]);
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  run.measuring = true;
  onPhase("start");
  await sleep(order.measureMs);
  // A short measured time may pass without a single response on a busy machine; a rate of zero would compare nothing.
  while (run.requests + run.failures === 0 && performance.now() - startMs < FIRST_RESPONSE_LIMIT_MS) {
    await sleep(10);
  }
  run.measuring = false;
  const seconds = (performance.now() - startMs) / 1000;
  onPhase("end");
  const cpu = process.cpuUsage(cpuBefore);
  run.stopped = true;
  await sleep(50);
  for (const socket of sockets) socket.destroy();
  return {
    requests: run.requests,
    seconds,
    p50Ms: percentile(run.latenciesMs, 0.5),
    p99Ms: percentile(run.latenciesMs, 0.99),
    failures: run.failures,
    sample: run.sample,
    loadCpuMs: (cpu.user + cpu.system) / 1000,
  };
}

if (process.send !== undefined) {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (order: LoadOrder) => {
    void runLoad(order, (phase) => process.send?.({ phase })).then((result) => process.send?.({ result }));
  });
  process.send({ upstreamPort: await startUpstream() });
}
