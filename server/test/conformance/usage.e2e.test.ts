import { beforeAll, expect, test } from "vitest";
import { type Hearth, MODEL, startHearth, until } from "../harness/hearth.ts";
import { send } from "../harness/http.ts";

const USAGE = "/v1/accounts/local/usage";

let hearth: Hearth;

beforeAll(async () => {
  hearth = await startHearth();
});

test("the usage report and its export hold the requests' exact tokens at their price", async () => {
  let [prompt, completion] = [0, 0];
  for (const text of ["Hi", "How are you?"]) {
    const response = await send(hearth, "/inference/v1/chat/completions", {
      body: { model: MODEL, messages: [{ role: "user", content: text }], max_tokens: 4 },
    });
    expect(response.status, response.text).toBe(200);
    prompt += response.json.usage.prompt_tokens;
    completion += response.json.usage.completion_tokens;
  }
  // Ledger rows reach the database shortly after the response.
  const report = await until("both requests in the report", async () => {
    const { json } = await send(hearth, `${USAGE}?groupBy=model&groupBy=kind`);
    return json.total.requests === "2" && json;
  });
  const micros = (prompt + completion) * 0.2;
  expect(report.usage).toHaveLength(1);
  expect(report.usage[0]).toMatchObject({
    model: MODEL,
    kind: "text",
    requests: "2",
    promptTokens: String(prompt),
    generatedTokens: String(completion),
    acceleratorSeconds: "0",
  });
  // Two costs of $0.20 a million tokens, each rounded to a micro-dollar.
  expect(Math.abs(Number(report.total.cost) * 1e6 - micros)).toBeLessThanOrEqual(1);
  expect(Number(report.total.cost)).toBeGreaterThan(0);
  const csv = await send(hearth, `${USAGE}:export?groupBy=model`);
  expect(csv.text).toContain(`\r\n${MODEL},2,${prompt},`);
  expect(csv.headers["content-type"]).toContain("text/csv");
});
