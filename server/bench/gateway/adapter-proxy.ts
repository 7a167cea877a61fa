/**
 * node:http in front of the openai-server adapter and nothing else. The difference to the bare proxy is the adapter's own
 * cost; the difference to the platform is everything else's. Arguments: the upstream's port.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ChatMessage } from "../../src/engine/chat.ts";
import { createOpenAiServerEngine } from "../../src/engines/openai-server/engine.ts";
import { MODEL } from "./traffic.ts";

const engine = createOpenAiServerEngine({
  baseUrl: `http://127.0.0.1:${process.argv[2]}/v1`,
  upstreamModel: MODEL,
});

interface Chat {
  messages: ChatMessage[];
  max_tokens: number;
  temperature: number;
  top_p: number;
  stream?: boolean;
}

const aborts = new WeakMap<object, AbortController>();

/** Shared by all requests of a connection: a new one for each request would cost more than the adapter. */
function abortOf({ socket }: ServerResponse): AbortController {
  const key = socket ?? {};
  let abort = aborts.get(key);
  if (abort === undefined) {
    const fresh = new AbortController();
    aborts.set(key, fresh);
    socket?.once("close", () => fresh.abort());
    abort = fresh;
  }
  return abort;
}

async function serve(text: string, response: ServerResponse): Promise<void> {
  const chat = JSON.parse(text) as Chat;
  const stream = chat.stream === true;
  const { signal } = abortOf(response);
  const events = engine.generate(
    {
      id: "bench",
      input: { kind: "chat", messages: chat.messages },
      sampling: { temperature: chat.temperature, topP: chat.top_p },
      n: 1,
      maxTokens: chat.max_tokens,
      stop: [],
      stream,
    },
    signal,
  );
  let content = "";
  let reason = "";
  if (stream) response.writeHead(200, ["content-type", "text/event-stream"]);
  for await (const event of events) {
    if (event.type === "finish") reason = event.reason;
    else if (event.type === "delta") {
      if (!stream) content += event.text;
      else response.write(chunk({ delta: { content: event.text }, finish_reason: null }));
    } else if (event.type === "prompt" || event.type === "start") {
      throw new Error("this engine has no such event");
    } else if (stream) {
      response.end(`${chunk({ delta: {}, finish_reason: reason })}data: [DONE]\n\n`);
    } else {
      const message = { role: "assistant", content };
      const body = JSON.stringify({
        id: "bench",
        object: "chat.completion",
        created: 1767225600,
        model: MODEL,
        choices: [{ index: 0, message, finish_reason: reason }],
        usage: event.usage,
      });
      response.writeHead(200, [
        "content-type",
        "application/json",
        "content-length",
        `${Buffer.byteLength(body)}`,
      ]);
      response.end(body);
    }
  }
}

function chunk(choice: object): string {
  const choices = [{ index: 0, ...choice }];
  return `data: ${JSON.stringify({ id: "bench", object: "chat.completion.chunk", created: 1767225600, model: MODEL, choices })}\n\n`;
}

const server = createServer((request, response) => {
  const pieces: Uint8Array[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const body = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    serve(body.toString(), response).catch(() => response.destroy());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit(0));
