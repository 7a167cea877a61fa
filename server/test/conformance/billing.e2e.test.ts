import { beforeAll, expect, test } from "vitest";
import { type Hearth, MODEL, startHearth } from "../harness/hearth.ts";
import { type HttpResponse, type Json, send } from "../harness/http.ts";

const ACCOUNT = "/v1/accounts/local";

let hearth: Hearth;

beforeAll(async () => {
  hearth = await startHearth({ env: { HEARTH_BILLING: "on" } });
});

const chat = (): Promise<HttpResponse> =>
  send(hearth, "/inference/v1/chat/completions", {
    body: { model: MODEL, messages: [{ role: "user", content: "Hi" }], max_tokens: 1 },
  });
const setLimit = (value: string): Promise<HttpResponse> =>
  send(hearth, `${ACCOUNT}/quotas/monthly-spend-usd`, { method: "PATCH", body: { value } });

test("an account at its spending limit gets 402 with the reason until its limit is raised", async () => {
  expect((await chat()).status).toBe(200);
  expect((await setLimit("0")).status).toBe(200);
  const refused = await chat();
  expect(refused.status).toBe(402);
  expect(refused.json.error).toMatchObject({
    code: "PAYMENT_REQUIRED",
    type: "billing_error",
    message: expect.stringContaining("spending limit of $0.00"),
  });
  expect((await send(hearth, ACCOUNT)).json.suspendState).toBe("MONTHLY_SPEND_LIMIT_EXCEEDED");
  const booked = await send(hearth, `${ACCOUNT}/credits`, { body: { amountUsd: "60" } });
  expect(booked.json).toMatchObject({ amountUsd: "60.00", addedToCreditsUsd: "60.00" });
  expect((await send(hearth, `${ACCOUNT}/billing`)).json).toMatchObject({
    tier: "TIER_2",
    spendLimitUsd: "0.00",
  });
  expect((await setLimit("500")).status).toBe(200);
  expect((await chat()).status).toBe(200);
  expect((await send(hearth, ACCOUNT)).json.suspendState).toBe("UNSUSPENDED");
});

test("a suspended account can read, delete, scale down and pay, but start nothing new", async () => {
  const at = (path: string) => `${ACCOUNT}/${path}`;
  const callAccount = (method: string, path: string, body: object = {}): Promise<HttpResponse> =>
    send(hearth, at(path), { method, body });
  const gguf = { kind: "HF_BASE_MODEL", baseModelDetails: { checkpointFormat: "HUGGINGFACE" } };
  expect((await callAccount("POST", "models", { modelId: "mine", model: gguf })).status).toBe(200);
  const deployment = { baseModel: MODEL, minReplicaCount: 0, maxReplicaCount: 2 };
  expect((await callAccount("POST", "deployments?deploymentId=own", deployment)).status).toBe(200);
  const set = (suspendState: string): Promise<HttpResponse> =>
    callAccount("PATCH", "billing", { suspendState });
  expect((await set("BLOCKED_BY_ABUSE_RULE")).json.suspendState).toBe("BLOCKED_BY_ABUSE_RULE");

  expect((await chat()).status).toBe(402);
  for (const [method, path, body] of [
    ["POST", "models", { modelId: "more", model: gguf }],
    ["POST", "models/mine:getUploadEndpoint", { filenameToSize: { "config.json": "2" } }],
    ["POST", "models/mine:prepare", { precision: "FP16" }],
    ["GET", "models/mine:validateUpload", {}],
    ["POST", "datasets", { datasetId: "more", dataset: {} }],
    ["POST", "deployments", deployment],
    ["POST", "deployedModels", { model: "accounts/local/models/mine", deployment: "own" }],
    ["POST", "deployments/own:undelete", {}],
    ["PATCH", "deployments/own:scale", { replicaCount: 1 }],
    ["PATCH", "deployments/own", { maxReplicaCount: 3 }],
  ] as const) {
    const refused = await callAccount(method, path, body);
    expect([refused.status, refused.json.code], `${method} ${path}: ${refused.text}`).toEqual([402, 8]);
    expect(refused.json.message).toContain("suspended by the operator");
  }
  for (const [method, path, body] of [
    ["PATCH", "deployments/own:scale", { replicaCount: 0 }],
    ["PATCH", "deployments/own", { maxReplicaCount: 1 }],
    ["PATCH", "models/mine", { displayName: "Mine" }],
    ["DELETE", "models/mine", undefined],
    ["DELETE", "deployments/own?hard=true", undefined],
    ["POST", "users?userId=new", { role: "user", email: "new@local.example" }],
    ["POST", "payments", { amountUsd: "1" }],
    ["PATCH", "", { displayName: "Suspended" }],
  ] as const) {
    const response = await send(hearth, at(path).replace(/\/$/, ""), {
      method,
      ...(body === undefined ? {} : { body }),
    });
    expect(response.status, `${method} ${path}: ${response.text}`).toBe(200);
  }
  for (const path of ["models", "deployments", "billing", "usage", "invoices", "quotas"]) {
    expect((await send(hearth, at(path))).status, path).toBe(200);
  }
  expect((await set("CREDIT_DEPLETED")).status).toBe(400);
  expect((await set("UNSUSPENDED")).json.suspendState).toBe("UNSUSPENDED");
  expect((await chat()).status).toBe(200);
});

test("a request's cost counts as soon as it has ended", async () => {
  const spent = async () => Number((await send(hearth, `${ACCOUNT}/billing`)).json.monthToDateUsd);
  const before = await spent();
  expect((await chat()).status).toBe(200);
  expect(await spent()).toBeGreaterThan(before);
});

test("the audit log names actor, operation and key of every operation that changes something, and nothing of its body", async () => {
  const { paths } = (await send(hearth, "/openapi.json")).json;
  const asked = new Set<string>();
  for (const [path, methods] of Object.entries<Json>(paths)) {
    for (const [method, { operationId }] of Object.entries<Json>(methods)) {
      if (!/^\/v1\/(accounts|validate)/.test(path)) continue;
      if (method === "get" && operationId !== "validateModelUpload") continue;
      const url = path.replace("{account_id}", "local").replaceAll(/\{\w+\}/g, "no-such-one");
      await send(hearth, url, { method: method.toUpperCase(), body: { displayName: "not-to-be-kept" } });
      asked.add(operationId);
    }
  }
  const written = new Map<string, Json>();
  for (let pageToken = ""; ; ) {
    const page = (await send(hearth, `${ACCOUNT}/auditLogs?pageSize=200&pageToken=${pageToken}`)).json;
    for (const entry of page.auditLogs) written.set(entry.operation, entry);
    expect(JSON.stringify(page)).not.toMatch(new RegExp(`not-to-be-kept|${hearth.apiKey}`));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(asked.size).toBeGreaterThan(40);
  expect([...asked].filter((operation) => !written.has(operation))).toEqual([]);
  for (const entry of written.values()) {
    expect(entry).toEqual({
      name: expect.stringMatching(/^accounts\/local\/auditLogs\/[0-9a-f]{32}$/),
      createTime: expect.any(String),
      actor: "accounts/local/users/operator",
      keyId: expect.stringMatching(/./),
      operation: expect.stringMatching(/^[a-z]+[A-Z]/),
      resource: expect.stringMatching(/./),
      outcome: expect.stringMatching(/^[A-Z_]+$/),
      requestId: expect.stringMatching(/./),
    });
  }
});
