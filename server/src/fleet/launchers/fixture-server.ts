/**
 * Run by the tests as a model server of its own: `fixture-server.ts PORT [fails | FOLDER]`. Answers a chat with the last
 * message and the pids of its processes, and the message "files" with the names of the folder's files and the visible
 * accelerators.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";

const [port, mode = ""] = process.argv.slice(2);

if (mode === "fails") {
  console.error("CUDA out of memory");
  process.exit(3);
}
// A helper process, as real servers have; it ignores SIGTERM.
const helper = spawn(process.execPath, [
  "-e",
  "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)",
]);

createServer(async (request, response) => {
  if (request.url === "/health") return void response.end("{}");
  if (request.method === "GET") return void response.writeHead(404).end();
  let text = "";
  for await (const piece of request) text += piece;
  console.log(`Received ${text}`);
  const { messages, stream } = JSON.parse(text);
  const lastMessage = messages.at(-1).content;
  const content =
    lastMessage === "files"
      ? `${readdirSync(mode).sort()} on ${process.env["CUDA_VISIBLE_DEVICES"]}`
      : `${lastMessage} from ${process.pid} and ${helper.pid}`;
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
  const base = { id: "x", object: "chat.completion", created: 1, model: "m" };
  if (content.startsWith("exit")) process.exit(4);
  if (stream !== true) {
    const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
    return void response.end(JSON.stringify({ ...base, choices, usage }));
  }
  const chunk = (more: object) => response.write(`data: ${JSON.stringify({ ...base, ...more })}\n\n`);
  response.writeHead(200, { "content-type": "text/event-stream" });
  chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
  chunk({ choices: [], usage });
  response.end("data: [DONE]\n\n");
}).listen(Number(port), "127.0.0.1");
