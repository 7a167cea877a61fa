import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { generate } from "../scripts/generate.ts";
import { Fireworks, OPERATIONS } from "../src/index.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

test("the generated files match the contract", () => {
  for (const [path, text] of Object.entries(generate())) {
    expect(readFileSync(root + path, "utf8") === text, `${path}: run npm run generate in packages/sdk`).toBe(
      true,
    );
  }
});

interface Call {
  method: string;
  path: string;
}

/** Calls every method of the client with names and parameters that fit any operation, and returns the requests. */
async function callsOf(client: Fireworks, sent: Call[]): Promise<Set<string>> {
  const seen = new Set<string>();
  const visit = async (value: unknown): Promise<void> => {
    if (typeof value !== "function") {
      for (const member of Object.values(value as object)) await visit(member);
      return;
    }
    for (const first of [
      {},
      "one",
      "v1/audio/transcriptions",
      "a/versions/b",
      "a/apiKeys/b",
      "accounts/a/models/m",
    ]) {
      const before = sent.length;
      const result: unknown = await Promise.resolve(value(first, {})).catch(() => null);
      if (result !== null && typeof result === "object" && "page" in result)
        await (result as { page(): Promise<unknown> }).page().catch(() => null);
      for (const call of sent.slice(before)) seen.add(`${call.method} ${call.path}`);
    }
  };
  await visit({ ...client });
  return seen;
}

test("every operation of the contract has a method", async () => {
  const sent: Call[] = [];
  const client = new Fireworks({
    apiKey: "fw_test_key",
    accountId: "a",
    baseURL: "http://host",
    maxRetries: 0,
    async fetch(url, init) {
      sent.push({ method: init?.method ?? "GET", path: new URL(String(url)).pathname });
      return Response.json({});
    },
  });
  const seen = [...(await callsOf(client, sent))];
  const missing = Object.entries(OPERATIONS).filter(([, operation]) => {
    const part = "greedy" in operation ? ".+" : "[^/:]+";
    const pattern = operation.path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, part);
    return !seen.some((one) => new RegExp(`^${operation.method} ${pattern}$`).test(one));
  });
  // `audio.transcriptions.stream` sends one of them over a WebSocket, and `accountId()` sends the other.
  expect(missing.map(([id]) => id)).toEqual(["streamTranscription", "verifyApiKey"]);
});
