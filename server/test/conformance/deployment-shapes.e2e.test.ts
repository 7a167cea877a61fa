import { beforeAll, describe, expect, test } from "vitest";
import { MODEL, type SharedHearth, sharedHearth } from "../harness/hearth.ts";
import type { Json } from "../harness/http.ts";
import { call, expectAllExercised, expectRefusal, succeed } from "./control-plane-contract.ts";

let hearth: SharedHearth;
let account: { account_id: string };
let shape: { account_id: string; deployment_shape_id: string };
const library = { account_id: "fireworks" };

beforeAll(async () => {
  hearth = await sharedHearth();
  account = { account_id: hearth.accountId };
  shape = { ...account, deployment_shape_id: "mine" };
});

describe("deployment shapes", () => {
  test("are visible to every account when they belong to the library", async () => {
    const query = { targetModel: MODEL, filter: "preset_type = MINIMAL" };
    const { deploymentShapes } = await succeed(hearth, "listDeploymentShapes", { params: library, query });
    expect(deploymentShapes).toMatchObject([{ baseModel: MODEL, presetType: "MINIMAL" }]);
  });

  test("are created, updated by versions, read and deleted as the contract says", async () => {
    const made = await succeed(hearth, "createDeploymentShape", {
      params: account,
      query: { deploymentShapeId: "mine" },
      body: { baseModel: MODEL, displayName: "Mine", enableAddons: true },
    });
    expect(made).toMatchObject({
      name: `accounts/${hearth.accountId}/deploymentShapes/mine`,
      enableAddons: true,
    });
    expect(await succeed(hearth, "getDeploymentShape", { params: shape })).toEqual(made);
    const query = { updateMask: "maxContextLength" };
    const body = { maxContextLength: 1024 };
    const changed = await succeed(hearth, "updateDeploymentShape", { params: shape, query, body });
    expect(changed).toMatchObject({ maxContextLength: 1024, displayName: "Mine" });

    const { deploymentShapeVersions: versions } = await succeed(hearth, "listDeploymentShapeVersions", {
      params: shape,
      query: { orderBy: "name" },
    });
    expect(versions.map(({ latestValidated }: Json) => latestValidated)).toEqual([false, true]);
    const second = { ...shape, version_id: "2" };
    await succeed(hearth, "updateDeploymentShapeVersion", { params: second, body: { validated: false } });
    expect(await succeed(hearth, "getDeploymentShapeVersion", { params: second })).toMatchObject({
      validated: false,
      latestValidated: false,
    });
    expectRefusal(await call(hearth, "getDeploymentShape", { params: shape }), "FAILED_PRECONDITION", null);
    await succeed(hearth, "deleteDeploymentShape", { params: shape });
    expectRefusal(await call(hearth, "getDeploymentShape", { params: shape }), "NOT_FOUND", null);
  });

  test("are refused for a model that doesn't exist, and with fields that contradict each other", async () => {
    const create = (body: object) => call(hearth, "createDeploymentShape", { params: account, body });
    expectRefusal(await create({ baseModel: `accounts/${hearth.accountId}/models/none` }), "NOT_FOUND", null);
    expectRefusal(
      await create({ baseModel: MODEL, draftTokenCount: 3 }),
      "INVALID_ARGUMENT",
      "draftTokenCount",
    );
  });
});

test("every operation of deployment shapes was exercised", () => expectAllExercised("deploymentShapes"));
