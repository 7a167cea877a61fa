/**
 * A fake vLLM server, run as a process: `vllm-server.ts PORT`. Answers chat requests in vLLM's shapes. The last message is a
 * `Script` as JSON: the output, or the way in which the server misbehaves.
 */
import { createServer, type ServerResponse } from "node:http";

export interface Script {
  reasoning?: string;
  content?: string;
  calls?: { name: string; arguments: string }[];
  /** The output is the request's body instead of `content`. */
  echo?: boolean;
  /** `cut`: the connection breaks within the response. `html`: a web page. `garbage`: an event that is not JSON. */
  wrong?: "cut" | "html" | "garbage" | "error" | "unfinished";
}

const USAGE = {
  prompt_tokens: 21,
  completion_tokens: 13,
  total_tokens: 34,
  prompt_tokens_details: { cached_tokens: 16 },
};

const base = (object: string) => ({ id: "chatcmpl-9f", object, created: 1767225600, model: "m" });

const [port] = process.argv.slice(2);

// biome-ignore lint/suspicious/noExplicitAny: requests of many shapes
type Body = any;

function logprobs(body: Body, text: string): object | null {
  if (body.logprobs !== true) return null;
  const entry = (token: string, logprob: number) => ({ token, logprob, bytes: [...Buffer.from(token)] });
  const top = [entry(text, -0.25), entry("other", -2)].slice(0, body.top_logprobs);
  return { content: [{ ...entry(text, -0.25), top_logprobs: top }] };
}

function whole(response: ServerResponse, body: Body, script: Script): void {
  const content = script.echo ? JSON.stringify(body) : (script.content ?? null);
  const calls = (script.calls ?? []).map((call, i) => ({
    id: `chatcmpl-tool-${i}`,
    type: "function",
    function: call,
  }));
  const message = {
    role: "assistant",
    content,
    refusal: null,
    annotations: null,
    reasoning_content: script.reasoning ?? null,
    tool_calls: calls,
  };
  const choice = {
    index: 0,
    message,
    logprobs: logprobs(body, content ?? ""),
    finish_reason: calls.length > 0 ? "tool_calls" : "stop",
    stop_reason: null,
    token_ids: body.return_token_ids ? [77] : null,
  };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ ...base("chat.completion"), choices: [choice], usage: USAGE }));
}

function stream(response: ServerResponse, body: Body, script: Script): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  const send = (delta: object, finish: string | null = null, overrides: object = {}): void => {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finish, token_ids: null, ...overrides };
    response.write(`data: ${JSON.stringify({ ...base("chat.completion.chunk"), choices: [choice] })}\n\n`);
  };
  const inPieces = (text: string): string[] => text.match(/[\s\S]{1,3}/gu) ?? [];
  send({ role: "assistant", content: "" });
  for (const reasoning_content of inPieces(script.reasoning ?? "")) send({ reasoning_content });
  if (script.wrong === "cut") return void response.socket?.destroySoon();
  if (script.wrong === "garbage") return void response.end("data: {nonsense\n\n");
  if (script.wrong === "error") {
    response.write(
      `data: ${JSON.stringify({ error: { message: "boom", type: "InternalServerError", code: 500 } })}\n\n`,
    );
    return void response.end("data: [DONE]\n\n");
  }
  const content = script.echo ? JSON.stringify(body) : (script.content ?? "");
  for (const piece of inPieces(content)) {
    send({ content: piece }, null, {
      logprobs: logprobs(body, piece),
      token_ids: body.return_token_ids ? [77] : null,
    });
  }
  for (const [index, { name, arguments: text }] of (script.calls ?? []).entries()) {
    send({
      tool_calls: [
        { index, id: `chatcmpl-tool-${index}`, type: "function", function: { name, arguments: "" } },
      ],
    });
    for (const piece of inPieces(text)) send({ tool_calls: [{ index, function: { arguments: piece } }] });
  }
  if (script.wrong === "unfinished") return void response.end("data: [DONE]\n\n");
  send({ content: "" }, script.calls === undefined ? "stop" : "tool_calls");
  response.write(
    `data: ${JSON.stringify({ ...base("chat.completion.chunk"), choices: [], usage: USAGE })}\n\n`,
  );
  response.end("data: [DONE]\n\n");
}

createServer(async (request, response) => {
  if (request.url === "/health") return void response.end();
  if (request.url === "/v1/models") {
    return void response.end(JSON.stringify({ object: "list", data: [{ id: "able", max_model_len: 8192 }] }));
  }
  let text = "";
  for await (const piece of request) text += piece;
  const body = JSON.parse(text);
  const script: Script = JSON.parse(body.messages.at(-1).content);
  if (script.wrong === "html") {
    response.writeHead(200, { "content-type": "text/html" });
    // An endless page: the client must stop reading.
    const interval = setInterval(() => response.write("<p>Sign in\n".repeat(100)), 5);
    response.once("close", () => clearInterval(interval));
  } else if (script.wrong === "cut" && body.stream !== true) {
    response.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
    response.write('{"choices":');
    response.socket?.destroySoon();
  } else if (body.stream === true) stream(response, body, script);
  else whole(response, body, script);
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
