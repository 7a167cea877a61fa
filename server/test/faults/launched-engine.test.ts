import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, startHearth, until } from "../harness/hearth.ts";
import { post, stream } from "../harness/http.ts";
import { alive, descendants } from "./processes.ts";

const SERVER = fileURLToPath(new URL("../../src/fleet/launchers/fixture-server.ts", import.meta.url));
const MODEL = "accounts/local/models/mine";
const CHAT = "/inference/v1/chat/completions";

let hearth: Hearth;

beforeAll(async () => {
  const command = [process.execPath, "--import", "tsx", SERVER, "{port}"];
  hearth = await startHearth({ env: { HEARTH_LAUNCHED_ENGINES: JSON.stringify({ [MODEL]: command }) } });
});

const saying = (content: string) => ({ model: MODEL, messages: [{ role: "user", content }] });
const servers = () => descendants(hearth.pid).filter(({ command }) => command.includes("fixture-server"));

describe("a model server that the platform starts for itself", () => {
  test("answers whole and in a stream", async () => {
    const whole = await post(hearth, CHAT, saying("Hello"));
    expect(whole.status, whole.text).toBe(200);
    expect(whole.json.choices[0].message.content).toMatch(/^Hello from \d+ and \d+$/);
    expect(whole.json.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 2 });
    const streamed = await stream(hearth, CHAT, { ...saying("Hello"), stream: true });
    expect(streamed.chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(
      whole.json.choices[0].message.content,
    );
  });

  test("is started anew when it ends in the middle of a request, which is told so", async () => {
    const before = servers();
    const reply = await post(hearth, CHAT, saying("exit"));
    expect(reply.status).toBe(503);
    expect(reply.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    await until(
      "a reply from a new server",
      async () => (await post(hearth, CHAT, saying("Hello"))).status === 200,
    );
    expect(alive(before)).toEqual([]);
  });

  test("is gone, with all it has started, soon after the platform was killed", async () => {
    const all = descendants(hearth.pid);
    expect(servers().length).toBeGreaterThan(0);
    await hearth.kill9();
    await until("the end of all children", () => alive(all).length === 0);
  });
});
