import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, MODEL, startHearth } from "../harness/hearth.ts";
import { type Json, post } from "../harness/http.ts";
import { call, expectAllExercised, expectRefusal, succeed } from "./control-plane-contract.ts";

let hearth: Hearth;
const local = { account_id: "local" };

beforeAll(async () => {
  hearth = await startHearth();
});

describe("quotas", () => {
  test("are listed with their use and updated as the contract says", async () => {
    const { quotas } = await succeed(hearth, "listQuotas", { params: local, query: { pageSize: "200" } });
    const ids = quotas.map(({ name }: Json) => name.split("/").at(-1));
    expect(ids).toEqual(expect.arrayContaining(["loras", "models", "monthly-spend-usd"]));
    const params = { ...local, quota_id: "models" };
    const changed = await succeed(hearth, "updateQuota", { params, body: { value: "0" } });
    expect(changed).toMatchObject({ value: "0", usage: 0 });
    expect(await succeed(hearth, "getQuota", { params })).toEqual(changed);
  });

  test("refuse resources beyond their value", async () => {
    const model = {
      modelId: "one",
      model: { kind: "HF_BASE_MODEL", baseModelDetails: { checkpointFormat: "HUGGINGFACE" } },
    };
    const refused = await call(hearth, "createModel", { params: local, body: model });
    expectRefusal(refused, "RESOURCE_EXHAUSTED", null);
    const query = { updateMask: "value" };
    await succeed(hearth, "updateQuota", { params: { ...local, quota_id: "models" }, query, body: {} });
    await succeed(hearth, "createModel", { params: local, body: model });
    const gpus = {
      baseModel: MODEL,
      acceleratorType: "NVIDIA_H100_80GB",
      acceleratorCount: 4,
      maxReplicaCount: 3,
    };
    expectRefusal(
      await call(hearth, "createDeployment", { params: local, body: gpus }),
      "RESOURCE_EXHAUSTED",
      null,
    );
    const fewer = { ...gpus, maxReplicaCount: 2, minReplicaCount: 0 };
    const deploymentId = "gpus";
    await succeed(hearth, "createDeployment", { params: local, query: { deploymentId }, body: fewer });
    const { quotas } = await succeed(hearth, "listQuotas", {
      params: local,
      query: { filter: 'name: "h100"' },
    });
    expect(quotas).toMatchObject([{ usage: 8, value: "8" }]);
    const params = { ...local, deployment_id: deploymentId };
    const overrides = { maxReplicaCount: 3 };
    expectRefusal(
      await call(hearth, "updateDeployment", { params, body: overrides }),
      "RESOURCE_EXHAUSTED",
      null,
    );
    await succeed(hearth, "updateDeployment", { params, body: { maxReplicaCount: 1 } });
    await succeed(hearth, "updateDeployment", { params, body: { maxReplicaCount: 2 } });
  });

  test("that are unknown, and values that are wrong, are refused", async () => {
    const none = { ...local, quota_id: "none" };
    expectRefusal(await call(hearth, "getQuota", { params: none }), "NOT_FOUND", null);
    expectRefusal(
      await call(hearth, "updateQuota", { params: none, body: { value: "1" } }),
      "NOT_FOUND",
      null,
    );
    const params = { ...local, quota_id: "loras" };
    expectRefusal(
      await call(hearth, "updateQuota", { params, body: { value: "-1" } }),
      "INVALID_ARGUMENT",
      "value",
    );
  });

  test("have every operation exercised", () => expectAllExercised("quotas"));
});

describe("reservations", () => {
  test("made by the operator are read as the contract says", async () => {
    const body = { acceleratorType: "NVIDIA_H100_80GB", reservedCount: 12, region: "EU_PARIS_1" };
    const made = await post(hearth, "/v1/accounts/local/reservations?reservationId=rack", body);
    expect(made.status, made.text).toBe(200);
    const { reservations } = await succeed(hearth, "listReservations", { params: local });
    expect(reservations).toEqual([made.json]);
    const params = { ...local, reservation_id: "rack" };
    expect(await succeed(hearth, "getReservation", { params })).toEqual(made.json);
    const missing = { ...local, reservation_id: "none" };
    expectRefusal(await call(hearth, "getReservation", { params: missing }), "NOT_FOUND", null);
  });

  test("have every operation exercised", () => expectAllExercised("reservations"));
});
