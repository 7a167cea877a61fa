import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { post } from "../../test/harness/http.ts";
import { createFakeEngine, type FakeEngine } from "../engine/fake-engine.ts";
import { AppError } from "../lib/errors.ts";
import type { ModelRoute } from "../orchestration/service.ts";
import { startInference, type TestInference } from "./testing.ts";

const CHAT = "/inference/v1/chat/completions";
const COMPLETIONS = "/v1/completions";
const DEPLOYMENT = "accounts/acme/deployments/d";

let inference: TestInference;
let engine: FakeEngine;
/** The route that a model's name resolves to, besides the defaults. */
let route: Partial<ModelRoute>;

beforeAll(async () => {
  inference = await startInference({
    engine: () => engine,
    resolve(name) {
      if (name === "broken") {
        throw new AppError("FAILED_PRECONDITION", "Its tensors don't fit.", { param: "model" });
      }
      return { name, fallbackUsed: false, deployment: DEPLOYMENT, ...route };
    },
  });
});
afterAll(() => inference.close());
beforeEach(() => {
  engine = createFakeEngine({});
  route = {};
});

const chat = (body: object = {}, headers: Record<string, string> = {}) =>
  post(
    inference.target,
    CHAT,
    { model: "m", messages: [{ role: "user", content: "hello" }], ...body },
    { headers },
  );
const lastRouted = () => inference.routed.at(-1);

describe("a request", () => {
  test("goes to the deployment and LoRA of its model, and its response has the model's name", async () => {
    route = { lora: "accounts/acme/deployedModels/l" };
    const response = await chat();
    expect(response.status, response.text).toBe(200);
    expect(response.json.model).toBe("m");
    expect(lastRouted()).toMatchObject({ deployment: DEPLOYMENT, lora: "accounts/acme/deployedModels/l" });
  });

  test("for a LoRA that could not be loaded gets a 412 with the reason", async () => {
    const response = await chat({ model: "broken" });
    expect(response.status).toBe(412);
    expect(response.json.error).toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "Its tensors don't fit.",
    });
  });

  test("has a session named by header, prompt_cache_key or user, in this order, on deployments with session affinity", async () => {
    await chat({ user: "u" }, { "x-session-affinity": "h" });
    expect(lastRouted()?.sessionKey).toBeUndefined();
    route = { sessionAffinity: true };
    await chat();
    expect(lastRouted()?.sessionKey).toBeUndefined();
    await chat({ user: "u" });
    expect(lastRouted()?.sessionKey).toBe("local\nu");
    await chat({ user: "u", prompt_cache_key: "p" });
    expect(lastRouted()?.sessionKey).toBe("local\np");
    await chat({ user: "u", prompt_cache_key: "p" }, { "x-session-affinity": "h" });
    expect(lastRouted()?.sessionKey).toBe("local\nh");
  });

  test("has a prompt prefix for routing, alike for prompts that start alike", async () => {
    const system = { role: "system", content: "You are kind. ".repeat(100) };
    const prefixOf = async (messages: object[]): Promise<string> => {
      await chat({ messages });
      return lastRouted()?.promptPrefix as string;
    };
    const prefixA = await prefixOf([system, { role: "user", content: "a" }]);
    const prefixB = await prefixOf([system, { role: "user", content: [{ type: "text", text: "b" }] }]);
    expect(prefixA.slice(0, -2)).toBe(prefixB.slice(0, -2));
    expect(prefixA).toContain(system.content);
    const completion = async (prompt: unknown) => {
      await post(inference.target, COMPLETIONS, { model: "m", prompt, max_tokens: 1 });
      return lastRouted()?.promptPrefix;
    };
    expect(await completion("once")).toBe("once");
    expect(await completion(["once", "twice"])).toBe("once");
    expect(await completion([1, 2])).toEqual([1, 2]);
    expect(await completion([[1, 2], [3]])).toEqual([1, 2]);
  });
});

describe("a cached prompt is reused", () => {
  test("within its account or its deployment, and never beyond its isolation key", async () => {
    await chat();
    expect(engine.requests.at(-1)?.cacheScope).toBe("local\n");
    route = { isolation: "deployment" };
    await chat();
    expect(engine.requests.at(-1)?.cacheScope).toBe("\n");
    await chat({ prompt_cache_isolation_key: "k" });
    expect(engine.requests.at(-1)?.cacheScope).toBe("\nk");
  });
});

describe("a LoRA's own chat template", () => {
  test("replaces the model's for requests to that LoRA alone", async () => {
    const prompt = async (): Promise<string> => {
      expect((await chat()).status).toBe(200);
      return (engine.requests.at(-1)!.input as { text: string }).text;
    };
    const plain = await prompt();
    route = { chatTemplate: "{% for m in messages %}<<{{ m.content }}>>{% endfor %}" };
    expect(await prompt()).toBe("<<hello>>");
    route = {};
    expect(await prompt()).toBe(plain);
  });
});
