/** A model server for tests: answers each request with bytes that the test chooses, in the wire formats of real servers. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface ReceivedRequest {
  method: string;
  path: string;
  authorization: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of many shapes
  body: any;
}

export interface FakeUpstream {
  baseUrl: string;
  requests: ReceivedRequest[];
  /** Connections accepted so far. */
  connections: number;
  /** Connections open now. */
  openSockets: Set<Socket>;
  close(): Promise<void>;
}

export type Responder = (response: ServerResponse, request: ReceivedRequest) => void | Promise<void>;

export async function startFakeUpstream(answer: Responder): Promise<FakeUpstream> {
  const upstream: FakeUpstream = { baseUrl: "", requests: [], connections: 0, openSockets: new Set(), close };
  const server = createServer((request, response) => {
    void readBody(request).then(async (text) => {
      const received: ReceivedRequest = {
        method: request.method ?? "",
        path: request.url ?? "",
        authorization: request.headers.authorization,
        body: text === "" ? null : JSON.parse(text),
      };
      upstream.requests.push(received);
      await answer(response, received);
    });
  });
  server.on("connection", (socket) => {
    upstream.connections += 1;
    upstream.openSockets.add(socket);
    socket.once("close", () => upstream.openSockets.delete(socket));
  });
  function close(): Promise<void> {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  upstream.baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return upstream;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces).toString();
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

/** One vLLM chat chunk. */
export function vllmChunk(content: string | null, finish: string | null, index = 0, usage?: unknown): string {
  return `data: ${JSON.stringify({
    id: "chatcmpl-1f9b0c2d",
    object: "chat.completion.chunk",
    created: 1767225600,
    model: "m",
    choices: [
      {
        index,
        delta: content === null ? {} : { content },
        logprobs: null,
        finish_reason: finish,
        ...(finish === null ? {} : { stop_reason: null }),
      },
    ],
    ...(usage === undefined ? {} : { usage }),
  })}\n\n`;
}

/** A whole vLLM stream: role chunk, content, finish, usage in an extra chunk, `[DONE]`. */
export const VLLM_STREAM = [
  `data: {"id":"chatcmpl-1f9b0c2d","object":"chat.completion.chunk","created":1767225600,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n`,
  vllmChunk("Grüße", null),
  vllmChunk(" 🌍", null),
  vllmChunk("!", null),
  vllmChunk("", "stop"),
  `data: {"id":"chatcmpl-1f9b0c2d","object":"chat.completion.chunk","created":1767225600,"model":"m","choices":[],"usage":{"prompt_tokens":11,"total_tokens":15,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8}}}\n\n`,
  "data: [DONE]\n\n",
].join("");

/** A whole llama-server stream: finish chunk with timings, usage beside the empty choices. */
export const LLAMA_STREAM = [
  `data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1767225600,"id":"chatcmpl-Zk","model":"m","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}\n\n`,
  `data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Hel"}}],"created":1767225600,"id":"chatcmpl-Zk","model":"m","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}\n\n`,
  `data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"lo"}}],"created":1767225600,"id":"chatcmpl-Zk","model":"m","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}\n\n`,
  `data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1767225600,"id":"chatcmpl-Zk","model":"m","system_fingerprint":"b6000-abc","object":"chat.completion.chunk"}\n\n`,
  `data: {"choices":[],"created":1767225600,"id":"chatcmpl-Zk","model":"m","system_fingerprint":"b6000-abc","object":"chat.completion.chunk","usage":{"completion_tokens":2,"prompt_tokens":9,"total_tokens":11},"timings":{"prompt_n":9,"prompt_ms":12.1,"predicted_n":2,"predicted_ms":20.4}}\n\n`,
  "data: [DONE]\n\n",
].join("");

export const VLLM_RESPONSE = {
  id: "chatcmpl-7c",
  object: "chat.completion",
  created: 1767225600,
  model: "m",
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        content: "Hello there",
        refusal: null,
        annotations: null,
        tool_calls: [],
        reasoning_content: null,
      },
      logprobs: null,
      finish_reason: "stop",
      stop_reason: null,
      token_ids: null,
    },
  ],
  service_tier: null,
  system_fingerprint: null,
  usage: { prompt_tokens: 12, total_tokens: 15, completion_tokens: 3, prompt_tokens_details: null },
  prompt_logprobs: null,
};

export const LLAMA_RESPONSE = {
  choices: [{ finish_reason: "length", index: 0, message: { role: "assistant", content: "Hi" } }],
  created: 1767225600,
  model: "m",
  system_fingerprint: "b6000-abc",
  object: "chat.completion",
  usage: {
    completion_tokens: 1,
    prompt_tokens: 7,
    total_tokens: 8,
    prompt_tokens_details: { cached_tokens: 5 },
  },
  id: "chatcmpl-Qx",
  timings: { cache_n: 5, prompt_n: 2, prompt_ms: 3.1, predicted_n: 1, predicted_ms: 8.2 },
};
