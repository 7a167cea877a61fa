import { beforeAll, expect, test } from "vitest";
import { type Hearth, MODEL, startHearth } from "../harness/hearth.ts";
import { type Reply, send } from "../harness/http.ts";

const ACCOUNT = "/v1/accounts/local";

let hearth: Hearth;

beforeAll(async () => {
  hearth = await startHearth({ env: { HEARTH_BILLING: "on" } });
});

const chat = (): Promise<Reply> =>
  send(hearth, "/inference/v1/chat/completions", {
    body: { model: MODEL, messages: [{ role: "user", content: "Hi" }], max_tokens: 1 },
  });
const setLimit = (value: string): Promise<Reply> =>
  send(hearth, `${ACCOUNT}/quotas/monthly-spend-usd`, { method: "PATCH", body: { value } });

test("at its spending limit an account gets 402 with the reason, until it may spend more", async () => {
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

test("a request's cost counts as soon as it has ended", async () => {
  const spent = async () => Number((await send(hearth, `${ACCOUNT}/billing`)).json.monthToDateUsd);
  const before = await spent();
  expect((await chat()).status).toBe(200);
  expect(await spent()).toBeGreaterThan(before);
});

test("what changed is in the audit log, with the key", async () => {
  const { auditLogs } = (await send(hearth, `${ACCOUNT}/auditLogs`)).json;
  expect(auditLogs.map(({ operation }: { operation: string }) => operation)).toEqual([
    "updateQuota",
    "createCredit",
    "updateQuota",
  ]);
  expect(JSON.stringify(auditLogs)).not.toContain(hearth.apiKey);
});
