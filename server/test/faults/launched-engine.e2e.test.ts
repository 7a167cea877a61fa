import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, startHearth, until } from "../harness/hearth.ts";
import { post, send, stream } from "../harness/http.ts";
import { uploadTinyModel } from "../harness/models.ts";
import { alive, descendants } from "./processes.ts";

const SERVER = fileURLToPath(new URL("../../src/fleet/launchers/fixture-server.ts", import.meta.url));
const MODEL = "accounts/local/models/mine";
/** A model whose server loads for ever. */
const LOADING = "accounts/local/models/loading";
const CHAT = "/inference/v1/chat/completions";

let hearth: Hearth;

beforeAll(async () => {
  const command = [process.execPath, "--import", "tsx", SERVER, "{port}"];
  const loading = [process.execPath, "-e", "setInterval(() => {}, 1000)", "{port}"];
  const engines = {
    NVIDIA_H100_80GB: { command: [...command, "{model}"] },
    NVIDIA_A100_80GB: { command: [...command, "fails", "{gguf}"] },
  };
  hearth = await startHearth({
    env: {
      HEARTH_LAUNCHED_ENGINES: JSON.stringify({ [MODEL]: command, [LOADING]: loading }),
      HEARTH_DEPLOYMENT_ENGINES: JSON.stringify(engines),
      HEARTH_ACCELERATORS: "NVIDIA_H100_80GB=2,NVIDIA_A100_80GB=1",
    },
  });
});

const saying = (content: string) => ({ model: MODEL, messages: [{ role: "user", content }] });
const servers = () => descendants(hearth.pid).filter(({ command }) => command.includes("fixture-server"));

describe("a model server that the platform starts for itself", () => {
  test("does not keep the platform from listening while it loads", async () => {
    const { json } = await send(hearth, "/inference/v1/models");
    expect(json.data.map(({ id }: { id: string }) => id)).toContain(LOADING);
  });

  test("answers unstreamed and streamed", async () => {
    const whole = await post(hearth, CHAT, saying("Hello"));
    expect(whole.status, whole.text).toBe(200);
    expect(whole.json.choices[0].message.content).toMatch(/^Hello from \d+ and \d+$/);
    expect(whole.json.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 2 });
    const streamed = await stream(hearth, CHAT, { ...saying("Hello"), stream: true });
    expect(streamed.chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(
      whole.json.choices[0].message.content,
    );
  });

  test("is restarted when it exits during a request, and that request gets 503 with retry-after", async () => {
    const before = servers();
    const response = await post(hearth, CHAT, saying("exit"));
    expect(response.status).toBe(503);
    expect(response.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
    await until(
      "a response from a new server",
      async () => (await post(hearth, CHAT, saying("Hello"))).status === 200,
    );
    expect(alive(before)).toEqual([]);
  });
});

describe("a deployment on accelerators that a configured command serves", () => {
  const PATH = "/v1/accounts/local/deployments";
  const deploy = async (id: string, body: object) =>
    post(hearth, `${PATH}?deploymentId=${id}`, { baseModel: await model, ...body });
  const get = async (id: string) => (await send(hearth, `${PATH}/${id}`)).json;
  let model: Promise<string>;
  beforeAll(() => {
    model = uploadTinyModel(hearth, "local", "tiny");
  });

  test("serves an uploaded model from its files and sees only the accelerators it was given", async () => {
    const made = await deploy("gpu", { acceleratorType: "NVIDIA_H100_80GB", acceleratorCount: 2 });
    expect(made.status, made.text).toBe(200);
    await until("READY", async () => (await get("gpu")).state === "READY");
    expect((await get("gpu")).replicaStats.readyReplicaCount).toBe(1);
    const asked = { ...saying("files"), model: `${await model}#accounts/local/deployments/gpu` };
    const response = await post(hearth, CHAT, asked);
    expect(response.status, response.text).toBe(200);
    const files = "config.json,model.safetensors,tokenizer.json,tokenizer_config.json";
    expect(response.json.choices[0].message.content).toBe(`${files} on 0,1`);
    const { json } = await send(hearth, `${PATH}/gpu/events`);
    expect(json.events.map((event: { type: string }) => event.type)).toContain("STATE");
  });

  test.each([
    ["enableAddons", true],
    ["ngramSpeculationLength", 4],
    ["maxContextLength", 128],
    ["precision", "FP16"],
    ["autoTune", { longPrompt: true }],
  ])("is refused with %s, which the command has no placeholder for", async (field, value) => {
    const overrides = field === "ngramSpeculationLength" ? { draftTokenCount: 4 } : {};
    const wanted = { acceleratorType: "NVIDIA_H100_80GB", [field]: value, ...overrides };
    const response = await deploy("refused", wanted);
    expect(response.status, response.text).toBe(400);
    expect(response.json.message).toContain(field);
  });

  test("says why its program doesn't come up while it is tried again, and when it has FAILED", async () => {
    const made = await deploy("broken", { acceleratorType: "NVIDIA_A100_80GB", precision: "FP16" });
    expect(made.status, made.text).toBe(200);
    const message = "The model's engine ended while loading (exit code 3).";
    const { status } = await until("a reason", async () => {
      const deployment = await get("broken");
      return deployment.status.code === "UNAVAILABLE" && deployment;
    });
    expect(status.message).toContain(`Starting again; last failure: ${message}`);
    await until("FAILED", async () => (await get("broken")).state === "FAILED");
    expect((await get("broken")).status).toEqual({ code: "FAILED_PRECONDITION", message });
    const asked = await post(hearth, CHAT, {
      ...saying("Hello"),
      model: `${await model}#accounts/local/deployments/broken`,
    });
    expect([asked.status, asked.json.error.message]).toEqual([412, message]);
    // The key of the test is the operator's.
    const { json } = await send(hearth, `${PATH}/broken/terminationMessage`);
    expect(json).toMatchObject({
      message,
      lastFailure: { exitCode: 3, signal: null, outputTail: ["CUDA out of memory"] },
    });
  });
});

test("every launched server and its child processes end after the platform is killed", async () => {
  const all = descendants(hearth.pid);
  expect(servers().length).toBeGreaterThan(0);
  await hearth.kill9();
  await until("the end of all children", () => alive(all).length === 0);
});
