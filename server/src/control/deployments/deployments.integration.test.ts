import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { HttpResponse, Json } from "../../../test/harness/http.ts";
import { EngineError } from "../../engine/errors.ts";
import { EngineStartError } from "../../fleet/failure.ts";
import { processExit } from "../../fleet/launchers/process-exit.ts";
import {
  LIBRARY,
  type OrchestrationTest,
  SERVED,
  startOrchestration,
  TestFleet,
} from "../../orchestration/testing.ts";
import { addWork } from "../../platform/reconcile/reconciler.ts";
import type { TestUser } from "../api-keys/testing.ts";

const DAY_MS = 86_400_000;

let test: OrchestrationTest;
let alice: TestUser;
let bob: TestUser;
let count = 0;

beforeAll(async () => {
  test = await startOrchestration();
  alice = await test.addUser("acme", "alice", "user");
  bob = await test.addUser("other", "bob", "admin");
});
afterAll(() => test.close());
beforeEach(() => test.fleet.reset());

const path = (id = "", rest = ""): string =>
  `/v1/accounts/acme/deployments${id === "" ? "" : `/${id}`}${rest}`;
const nameOf = (id: string): string => `accounts/acme/deployments/${id}`;
const as = (user: TestUser, method: string, where: string, body?: unknown): Promise<HttpResponse> =>
  test.call(user.key, method, where, body);
const get = async (id: string): Promise<Json> => (await as(alice, "GET", path(id))).json;

async function create(body: object = {}, query = ""): Promise<Json> {
  const id = `d${++count}`;
  const response = await as(alice, "POST", `${path()}?deploymentId=${id}${query}`, {
    baseModel: LIBRARY,
    ...body,
  });
  expect(response.status, response.text).toBe(200);
  return { ...response.json, id };
}

/** A deployment that is READY. */
async function ready(body: object = {}, query = ""): Promise<Json> {
  const { id } = await create(body, query);
  await test.settle();
  const made = await get(id);
  expect(made.state).toBe("READY");
  return { ...made, id };
}

/** Lets the replicas of a deployment fail so often that the deployment counts as failed. */
async function keepFailing(id: string): Promise<void> {
  await test.settle();
  await test.fleet.pass(10_000);
  test.clock.advance(1_000);
  await test.settle();
  expect((await get(id)).state).toBe("FAILED");
}

/** A policy with one schedule. */
const schedules = (overrides: object) => {
  const peak = {
    minReplicaCount: 1,
    schedule: "0 8 * * *",
    duration: "3600s",
    timezone: "UTC",
    ...overrides,
  };
  return { autoscalingPolicy: { scalingSchedules: { peak } } };
};

function refused(response: HttpResponse, field: string, status = 400): void {
  expect(response.status, response.text).toBe(status);
  expect(JSON.stringify(response.json)).toContain(field);
}

describe("create", () => {
  it("shows every field, with the defaults of the contract", async () => {
    const made = await create();
    expect(made).toMatchObject({
      name: nameOf(made.id),
      state: "CREATING",
      status: { code: "OK", message: "" },
      baseModel: LIBRARY,
      minReplicaCount: 0,
      maxReplicaCount: 1,
      unusedAutoDeleteDuration: "604800s",
      acceleratorType: "ACCELERATOR_TYPE_UNSPECIFIED",
      precision: "PRECISION_UNSPECIFIED",
      placement: { multiRegion: "GLOBAL" },
      createdBy: "alice@acme.example",
      directRouteHandle: "",
      autoscalingPolicy: {
        scaleUpWindow: "30s",
        scaleDownWindow: "600s",
        scaleToZeroWindow: "3600s",
        loadTargets: { default: 0.8 },
        scalingSchedules: {},
      },
    });
  });

  it("defaults the upper bound of replicas to the lower one, and to 1 at least", async () => {
    expect(await create({ minReplicaCount: 3 })).toMatchObject({ minReplicaCount: 3, maxReplicaCount: 3 });
    expect(await create({ maxReplicaCount: 0 })).toMatchObject({ minReplicaCount: 0, maxReplicaCount: 0 });
  });

  it("generates an id when none is given, and refuses one that is taken", async () => {
    const made = await as(alice, "POST", path(), { baseModel: LIBRARY });
    expect(made.json.name).toMatch(/^accounts\/acme\/deployments\/[a-z][a-z0-9]{15}$/);
    const { id } = await create();
    const again = await as(alice, "POST", `${path()}?deploymentId=${id}`, { baseModel: LIBRARY });
    expect(again.status).toBe(409);
    refused(
      await as(alice, "POST", `${path()}?deploymentId=Not-An-Id`, { baseModel: LIBRARY }),
      "deploymentId",
    );
  });

  it("lets exactly one of several creators of one id win", async () => {
    const responses = await Promise.all(
      Array.from({ length: 8 }, () =>
        as(alice, "POST", `${path()}?deploymentId=race`, { baseModel: LIBRARY }),
      ),
    );
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
  });

  it("with validateOnly shows the deployment and does not create it", async () => {
    const response = await as(alice, "POST", `${path()}?deploymentId=only&validateOnly=true`, {
      baseModel: "fireworks/library",
      minReplicaCount: 2,
    });
    expect(response.json).toMatchObject({ name: nameOf("only"), baseModel: LIBRARY, maxReplicaCount: 2 });
    expect((await as(alice, "GET", path("only"))).status).toBe(404);
    refused(
      await as(alice, "POST", `${path()}?validateOnly=true`, { baseModel: LIBRARY, isNim: true }),
      "isNim",
    );
  });

  it.each<[string, object, string]>([
    ["no model", { baseModel: undefined }, "baseModel"],
    ["a name that is none", { baseModel: "accounts/a/datasets/b" }, "baseModel"],
    ["bounds the wrong way round", { minReplicaCount: 2, maxReplicaCount: 1 }, "maxReplicaCount"],
    ["too many replicas", { minReplicaCount: 65 }, "minReplicaCount"],
    ["negative replicas", { minReplicaCount: -1 }, "minReplicaCount"],
    ["a scale-up window above an hour", { autoscalingPolicy: { scaleUpWindow: "3601s" } }, "scaleUpWindow"],
    [
      "a scale-to-zero window below five minutes",
      { autoscalingPolicy: { scaleToZeroWindow: "299s" } },
      "scaleToZero",
    ],
    ["a duration that is none", { unusedAutoDeleteDuration: "1h" }, "unusedAutoDeleteDuration"],
    ["an unknown load target", { autoscalingPolicy: { loadTargets: { cpu: 1 } } }, "loadTargets"],
    ["a fraction above one", { autoscalingPolicy: { loadTargets: { default: 1.5 } } }, "loadTargets.default"],
    ["a schedule without a time zone", schedules({ timezone: undefined }), "scalingSchedules.peak.timezone"],
    ["a schedule in no zone", schedules({ timezone: "Mars/Base" }), "scalingSchedules.peak.timezone"],
    ["a schedule that is no cron", schedules({ schedule: "at eight" }), "scalingSchedules.peak.schedule"],
    ["a schedule that is over at once", schedules({ duration: "299s" }), "scalingSchedules.peak.duration"],
    [
      "a schedule above the bound",
      schedules({ minReplicaCount: 2 }),
      "scalingSchedules.peak.minReplicaCount",
    ],
    [
      "two ways to draft",
      { draftModel: LIBRARY, ngramSpeculationLength: 3, draftTokenCount: 4 },
      "ngramSpec",
    ],
    ["a draft model without a token count", { draftModel: LIBRARY }, "draftTokenCount"],
    ["a token count without a draft", { draftTokenCount: 4 }, "draftTokenCount"],
    [
      "a longer draft than is made in a step",
      { draftModel: LIBRARY, draftTokenCount: 33 },
      "draftTokenCount",
    ],
    [
      "a longer look back than is taken",
      { ngramSpeculationLength: 17, draftTokenCount: 4 },
      "ngramSpeculationLength",
    ],
    ["an unknown accelerator", { acceleratorType: "NVIDIA_GTX" }, "acceleratorType"],
    ["more context than the model has", { maxContextLength: 4097 }, "maxContextLength"],
    ["two places", { placement: { region: "EU_PARIS_1", multiRegion: "US" } }, "placement"],
    ["a direct route without keys", { directRouteType: "INTERNET" }, "directRouteApiKeys"],
    ["keys without a direct route", { directRouteApiKeys: ["abcdefgh1"] }, "directRouteApiKeys"],
    [
      "a private link",
      { directRouteType: "AWS_PRIVATELINK", directRouteApiKeys: ["abcdefgh"] },
      "directRouteType",
    ],
    ["a guessable key", { directRouteType: "INTERNET", directRouteApiKeys: ["a"] }, "directRouteApiKeys[0]"],
    [
      "two kinds of addons",
      { enableAddons: true, enableHotReloadLatestAddon: true },
      "enableHotReloadLatestAddon",
    ],
    ["hot loading", { enableHotLoad: true }, "enableHotLoad"],
    ["multi-token prediction", { enableMtp: true }, "enableMtp"],
    ["a NIM container", { isNim: true }, "isNim"],
    ["revocable replicas", { maxWithRevocableReplicaCount: 2 }, "maxWithRevocableReplicaCount"],
    ["a template", { deploymentTemplate: "x" }, "deploymentTemplate"],
    ["a long display name", { displayName: "x".repeat(64) }, "displayName"],
    ["an unknown field", { colour: "red" }, "colour"],
    ["a time that is none", { expireTime: "soon" }, "expireTime"],
  ])("refuses %s by name", async (_what, body, field) => {
    refused(await as(alice, "POST", path(), { baseModel: LIBRARY, ...body }), field);
  });

  it("accepts the neutral values of unsupported fields, as clients send back what they read", async () => {
    const { id, ...made } = await create();
    const again = await as(alice, "POST", path(), made);
    expect(again.status, again.text).toBe(200);
  });

  it("copies the model's draft model, unless speculation is disabled or another one is chosen", async () => {
    const model = test.models.add("accounts/fireworks/models/drafted", {
      defaultDraftModel: SERVED,
      defaultDraftTokenCount: 3,
    });
    expect(await create({ baseModel: model })).toMatchObject({ draftModel: SERVED, draftTokenCount: 3 });
    const off = await create({ baseModel: model }, "&disableSpeculativeDecoding=true");
    expect(off).toMatchObject({ draftModel: "", draftTokenCount: 0 });
    expect(await create({ baseModel: model, draftTokenCount: 0 })).toMatchObject({ draftModel: "" });
    const explicit = await create({ baseModel: model, ngramSpeculationLength: 2, draftTokenCount: 5 });
    expect(explicit).toMatchObject({ draftModel: "", ngramSpeculationLength: 2, draftTokenCount: 5 });
  });

  it("refuses a precision that the model is not prepared for, and names the available ones", async () => {
    expect(await create({ precision: "FP8" })).toMatchObject({ precision: "FP8" });
    const response = await as(alice, "POST", path(), { baseModel: LIBRARY, precision: "NF4" });
    refused(response, "precision");
    expect(response.json.message).toContain("FP16, FP8");
  });
});

describe("access to deployments", () => {
  it("to another account's deployments and models is answered like access to missing ones", async () => {
    const { id } = await ready();
    const secret = test.models.add("accounts/other/models/secret");
    const missing = await as(bob, "GET", path("nothing"));
    for (const [method, rest, body] of [
      ["GET", "", undefined],
      ["PATCH", "", { displayName: "mine" }],
      ["DELETE", "?hard=true", undefined],
      ["PATCH", ":scale", { replicaCount: 0 }],
      ["POST", ":undelete", {}],
      ["GET", ":metrics", undefined],
      ["GET", "/shards", undefined],
      ["GET", "/events", undefined],
      ["GET", "/ledger", undefined],
      ["DELETE", "/ledger", undefined],
      ["GET", "/terminationMessage", undefined],
    ] as const) {
      const response = await as(bob, method, path(id, rest), body);
      expect([response.status, response.json.message], `${method} ${rest}`).toEqual([
        404,
        missing.json.message.replace("nothing", id),
      ]);
    }
    expect((await as(bob, "GET", path())).status).toBe(404);
    expect((await as(bob, "POST", path(), { baseModel: LIBRARY })).status).toBe(404);
    expect((await get(id)).state).toBe("READY");
    for (const field of [{ baseModel: secret }, { draftModel: secret, draftTokenCount: 2 }]) {
      const response = await as(alice, "POST", path(), { baseModel: LIBRARY, ...field });
      expect(response.status, response.text).toBe(404);
    }
    refused(
      await as(alice, "PATCH", path(id), { draftModel: secret, draftTokenCount: 2 }),
      "draftModel",
      404,
    );
  });

  it("lets contributors change what they created, and inference users nothing", async () => {
    const { id } = await ready();
    const carl = await test.addUser("acme", "carl", "contributor");
    const ines = await test.addUser("acme", "ines", "inference-user");
    expect((await as(carl, "GET", path(id))).status).toBe(200);
    expect((await as(carl, "PATCH", path(id), { displayName: "x" })).status).toBe(403);
    expect((await as(ines, "POST", path(), { baseModel: LIBRARY })).status).toBe(403);
    const carls = await as(carl, "POST", path(), { baseModel: LIBRARY });
    expect((await as(carl, "DELETE", `/v1/${carls.json.name}`)).status).toBe(200);
  });
});

describe("a deployment", () => {
  it("is CREATING while its first replica starts, with the progress in its status, then READY", async () => {
    test.fleet.holdAt = "downloading";
    const { id } = await create();
    await test.settle();
    expect(await get(id)).toMatchObject({
      state: "CREATING",
      status: { code: "OK", message: "The weights are being fetched: 40 %." },
      desiredReplicaCount: 1,
      replicaCount: 0,
      replicaStats: { downloadingModelReplicaCount: 1, readyReplicaCount: 0 },
    });
    await test.fleet.release();
    test.clock.advance(1_000);
    await test.settle();
    expect(await get(id)).toMatchObject({
      state: "READY",
      replicaCount: 1,
      status: { code: "OK", message: "" },
    });
    const { json } = await as(alice, "GET", path(id, "/events"));
    expect(json.events.map((event: Json) => [event.type, event.message])).toEqual([
      ["CREATED", "Created by alice."],
      ["STATE", "CREATING"],
      ["SCALING", "Replicas wanted: 1 instead of 0."],
      ["REPLICAS", "1 downloading. The weights are being fetched: 40 %."],
      ["REPLICAS", "1 ready."],
      ["STATE", "READY"],
    ]);
  });

  it("stays CREATING, with the missing accelerators in its status, when the host lacks them", async () => {
    const { id } = await create({ acceleratorType: "NVIDIA_H100_80GB", acceleratorCount: 2 });
    expect(test.fleet.specs.get(nameOf(id))?.accelerators).toEqual({ type: "NVIDIA_H100_80GB", count: 2 });
    await test.settle();
    const message = "This host has no accelerators; a replica needs 2 NVIDIA_H100_80GB.";
    expect(await get(id)).toMatchObject({
      state: "CREATING",
      status: { code: "RESOURCE_EXHAUSTED", message },
      replicaStats: { pendingSchedulingReplicaCount: 1 },
    });
    const termination = await as(alice, "GET", path(id, "/terminationMessage"));
    expect(termination.json).toEqual({ message });
    const { json } = await as(alice, "GET", "/v1/accounts/acme/deployedModels?pageSize=200");
    expect(json.deployedModels.find((one: Json) => one.deployment === nameOf(id))).toMatchObject({
      state: "DEPLOYING",
      status: { code: "RESOURCE_EXHAUSTED", message },
    });
    const freed = await as(alice, "PATCH", path(id), { acceleratorType: null, acceleratorCount: null });
    expect(freed.status, freed.text).toBe(200);
    expect(test.fleet.specs.get(nameOf(id))?.accelerators).toBeNull();
    await test.settle();
    expect((await get(id)).state).toBe("READY");
  });

  it("fails with the reason when replicas keep failing to start, and starts again on undelete", async () => {
    test.fleet.startError = new EngineError("invalid", "The weights file is damaged.");
    const { id } = await create();
    await test.settle();
    expect((await get(id)).status).toEqual({
      code: "UNAVAILABLE",
      message: "Starting again; last failure: The weights file is damaged.",
    });
    const terminationMessage = async () =>
      (await as(alice, "GET", path(id, "/terminationMessage"))).json.message;
    expect(await terminationMessage()).toBe("The weights file is damaged.");
    await keepFailing(id);
    expect(await get(id)).toMatchObject({
      state: "FAILED",
      status: { code: "FAILED_PRECONDITION", message: "The weights file is damaged." },
      desiredReplicaCount: 0,
      replicaStats: { pendingSchedulingReplicaCount: 0, initializingReplicaCount: 0, readyReplicaCount: 0 },
    });
    expect(test.fleet.specs.has(nameOf(id))).toBe(false);
    expect(await terminationMessage()).toBe("The weights file is damaged.");
    await test.fleet.reset();
    expect((await as(alice, "POST", path(id, ":undelete"), {})).json.state).toBe("CREATING");
    await test.settle();
    expect((await get(id)).state).toBe("READY");
  });

  it("fails after five attempts, and waits for the end of the fifth", async () => {
    test.fleet.startError = new EngineError("invalid", "The weights file is damaged.");
    const { id } = await create();
    const replica = () => test.fleet.observe(nameOf(id))!.replicas[0]!;
    const state = async () => {
      test.clock.advance(1_000);
      await test.settle();
      return (await get(id)).state;
    };
    while (replica().failures < 4) {
      expect(await state()).toBe("CREATING");
      await test.fleet.pass(250);
    }
    test.fleet.holdAt = "loading";
    await test.fleet.pass(10_000);
    expect(replica()).toMatchObject({ state: "starting", failures: 4 });
    expect(await state()).toBe("CREATING");
    await test.fleet.release();
    expect(replica()).toMatchObject({ state: "backoff", failures: 5 });
    expect(await state()).toBe("FAILED");
  });

  it("gives its reason to the requests that wait for it when it fails", async () => {
    test.fleet.holdAt = "loading";
    const { id } = await create();
    const waiting = test.fleet.route({ deployment: nameOf(id) }, new AbortController().signal);
    const message = "The weights file is damaged.";
    const refusal = expect(waiting).rejects.toMatchObject({ code: "FAILED_PRECONDITION", message });
    await test.deployments.store.change("acme", id, new Date(test.clock.now()), (row) => ({
      row: { ...row, state: "FAILED", statusMessage: message },
      events: [],
    }));
    await test.settle();
    await refusal;
  });

  it("shows the same reason while the next start is under way, in its status and in the 503 of a request", async () => {
    test.fleet.startError = new EngineError("invalid", "The weights file is damaged.");
    const { id } = await create();
    await test.settle();
    test.fleet.holdAt = "loading";
    await test.fleet.pass(250);
    expect(test.fleet.observe(nameOf(id))?.replicas[0]).toMatchObject({ state: "starting" });
    const message = "Starting again; last failure: The weights file is damaged.";
    expect((await get(id)).status).toEqual({ code: "UNAVAILABLE", message });
    const waiting = test.fleet.route({ deployment: nameOf(id) }, new AbortController().signal);
    const refusal = expect(waiting).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `${nameOf(id)} is not ready yet. ${message}`,
    });
    await test.fleet.pass(120_000);
    await refusal;
  });

  it("shows the time and the output of a failed process to the operator alone", async () => {
    const exit = processExit(3, null);
    const error = new EngineError("unavailable", "The process has ended.");
    test.fleet.startError = new EngineStartError(error, exit, ["CUDA error at /opt/cuda/lib"]);
    const { id } = await create();
    await keepFailing(id);
    const message = "The model's engine ended while loading (exit code 3).";
    const [own, operator] = [
      await as(alice, "GET", path(id, "/terminationMessage")),
      await as(test.operator, "GET", path(id, "/terminationMessage")),
    ];
    expect(own.json).toEqual({ message });
    expect(operator.json).toEqual({
      message,
      lastFailure: {
        replica: `${nameOf(id)}/replicas/0`,
        message,
        exitCode: 3,
        signal: null,
        time: expect.stringMatching(/^2026-01-01T/),
        outputTail: ["CUDA error at /opt/cuda/lib"],
      },
    });
    for (const rest of ["", "/events", "/shards", "/terminationMessage"]) {
      expect((await as(alice, "GET", path(id, rest))).text, rest).not.toContain("CUDA");
    }
    expect((await get(id)).status).toEqual({ code: "FAILED_PRECONDITION", message });
  });

  it("forgets a failure when its replica has been ready for a minute", async () => {
    const { id } = await ready({ minReplicaCount: 1 });
    test.fleet.crashAll(processExit(null, "SIGSEGV"));
    const observe = async (): Promise<Json> => {
      await test.orchestrator.refresh();
      await addWork(test.database.db, "deployment", [`acme/${id}`], test.clock.now());
      await test.settle();
      return (await as(test.operator, "GET", path(id, "/terminationMessage"))).json;
    };
    await test.fleet.pass(1);
    const message = "The model's engine ended (signal SIGSEGV).";
    expect(await observe()).toMatchObject({ message, lastFailure: { signal: "SIGSEGV" } });
    await test.fleet.pass(1_000);
    expect(await observe()).toMatchObject({ message: "", lastFailure: { signal: "SIGSEGV" } });
    expect((await get(id)).status).toEqual({ code: "OK", message: "" });
    await test.fleet.pass(60_000);
    expect(await observe()).toEqual({ message: "" });
  });

  it("ends its replicas on a soft delete, which can be undone; lists show it only on request", async () => {
    const { id } = await ready({ displayName: "kept" });
    expect((await as(alice, "DELETE", path(id))).json).toEqual({});
    await test.settle();
    const gone = await get(id);
    expect(gone).toMatchObject({ state: "DELETED", displayName: "kept", replicaCount: 0 });
    expect(Date.parse(gone.purgeTime) - Date.parse(gone.deleteTime)).toBe(7 * DAY_MS);
    expect(test.fleet.specs.has(nameOf(id))).toBe(false);
    const listed = async (query: string): Promise<string[]> =>
      (await as(alice, "GET", `${path()}?pageSize=200${query}`)).json.deployments.map(
        (one: Json) => one.name,
      );
    expect(await listed("")).not.toContain(nameOf(id));
    expect(await listed("&showDeleted=true")).toContain(nameOf(id));
    refused(await as(alice, "PATCH", path(id), { displayName: "x" }), "deleted");
    expect((await as(alice, "POST", path(id, ":undelete"), {})).json).toMatchObject({ state: "CREATING" });
    await test.settle();
    expect(await get(id)).toMatchObject({ state: "READY", displayName: "kept", replicaCount: 1 });
    expect((await get(id)).purgeTime).toBeUndefined();
    refused(await as(alice, "POST", path(id, ":undelete"), {}), "READY");
  });

  it("is purged a week after its deletion, and at once when it is deleted hard", async () => {
    const { id } = await ready();
    await as(alice, "DELETE", path(id));
    await test.settle();
    test.clock.advance(7 * DAY_MS - 1);
    await test.settle();
    expect((await get(id)).state).toBe("DELETED");
    test.clock.advance(1);
    await test.settle();
    expect((await as(alice, "GET", path(id))).status).toBe(404);

    const hard = await ready();
    await as(alice, "DELETE", `${path(hard.id)}?hard=true`);
    await test.settle();
    expect((await as(alice, "GET", path(hard.id))).status).toBe(404);
    const again = await as(alice, "POST", `${path()}?deploymentId=${hard.id}`, { baseModel: LIBRARY });
    expect(again.status).toBe(200);
    const soft = await ready();
    await as(alice, "DELETE", path(soft.id));
    await test.settle();
    await as(alice, "DELETE", `${path(soft.id)}?hard=true`);
    await test.settle();
    expect((await as(alice, "GET", path(soft.id))).status).toBe(404);
  });

  it("is deleted when it was unused for its time, not before, and never when that is switched off", async () => {
    const unused = await ready({ unusedAutoDeleteDuration: "7200s" });
    const kept = await ready({ unusedAutoDeleteDuration: "0s" });
    const used = await ready({ unusedAutoDeleteDuration: "7200s" });
    test.clock.advance(3_600_000);
    test.orchestrator.resolve(alice.principal, `${LIBRARY}#${nameOf(used.id)}`);
    test.clock.advance(3_599_999);
    await test.settle();
    expect((await get(unused.id)).state).toBe("READY");
    test.clock.advance(1);
    await test.settle();
    expect((await get(unused.id)).state).toBe("DELETED");
    expect((await get(kept.id)).state).toBe("READY");
    expect((await get(used.id)).state).toBe("READY");
    test.clock.advance(3_600_000);
    await test.settle();
    expect((await get(used.id)).state).toBe("DELETED");
    const { json } = await as(alice, "GET", path(unused.id, "/events"));
    expect(json.events.map((event: Json) => event.type)).toContain("UNUSED");
  });
});

describe("update", () => {
  it("changes the fields that are sent, and no others", async () => {
    const { id } = await ready({ displayName: "one", description: "kept", minReplicaCount: 1 });
    const response = await as(alice, "PATCH", path(id), {
      displayName: "two",
      autoscalingPolicy: { scaleDownWindow: "60s" },
    });
    expect(response.json).toMatchObject({
      displayName: "two",
      description: "kept",
      minReplicaCount: 1,
      autoscalingPolicy: { scaleUpWindow: "30s", scaleDownWindow: "60s" },
    });
    const reset = await as(alice, "PATCH", `${path(id)}?updateMask=display_name,autoscaling_policy`, {
      displayName: "three",
      description: "not in the mask",
    });
    expect(reset.json).toMatchObject({
      displayName: "three",
      description: "kept",
      autoscalingPolicy: { scaleDownWindow: "600s" },
    });
  });

  it("accepts everything that a client has read", async () => {
    const { id, ...read } = await ready({
      placement: { region: "EU_PARIS_1" },
      directRouteType: "INTERNET",
      directRouteApiKeys: ["first-key-1", "second-key-2"],
    });
    const response = await as(alice, "PATCH", path(id), { ...read, displayName: "same otherwise" });
    expect(response.status, response.text).toBe(200);
    expect(response.json).toEqual({
      ...read,
      displayName: "same otherwise",
      updateTime: response.json.updateTime,
    });
    expect(test.fleet.observe(nameOf(id))?.replicas).toHaveLength(1);
    expect((await get(id)).state).toBe("READY");
  });

  it("refuses another model or placement, and accepts the present one", async () => {
    const { id } = await ready({ region: "EU_PARIS_1" });
    refused(await as(alice, "PATCH", path(id), { baseModel: SERVED }), "baseModel");
    refused(await as(alice, "PATCH", path(id), { placement: { region: "US_IOWA_1" } }), "placement");
    refused(await as(alice, "PATCH", path(id), { region: "US_IOWA_1" }), "region");
    for (const zero of [
      { region: "REGION_UNSPECIFIED" },
      { placement: {} },
      { placement: { region: "REGION_UNSPECIFIED" } },
      { placement: { multiRegion: "MULTI_REGION_UNSPECIFIED" } },
    ]) {
      const same = await as(alice, "PATCH", path(id), zero);
      expect(same.status, same.text).toBe(200);
    }
    expect((await as(alice, "PATCH", path(id), { baseModel: LIBRARY, region: "EU_PARIS_1" })).status).toBe(
      200,
    );
  });

  it("that changes what replicas run makes the deployment UPDATING until all run the new revision; any other update does not", async () => {
    // With room for more replicas, a request that was given a replica keeps it for a while.
    const { id } = await ready({ maxReplicaCount: 2 });
    const name = nameOf(id);
    const old = test.fleet.specs.get(name)!;
    expect((await as(alice, "PATCH", path(id), { minReplicaCount: 1 })).json.state).toBe("READY");
    expect(test.fleet.specs.get(name)).toMatchObject({ revision: old.revision, minReplicas: 1 });
    test.fleet.holdAt = "loading";
    expect((await as(alice, "PATCH", path(id), { maxContextLength: 1024 })).json.state).toBe("UPDATING");
    expect(test.fleet.specs.get(name)!.revision).not.toBe(old.revision);
    const stages = () => test.fleet.observe(name)!.replicas.map(({ stage }) => stage);
    expect(stages()).toEqual(["ready", "initializing"]);
    await test.settle();
    expect((await get(id)).state).toBe("UPDATING");
    await test.fleet.route({ deployment: name }, new AbortController().signal);
    await test.fleet.release();
    test.clock.advance(1_000);
    await test.settle();
    expect(stages()).toEqual(["draining", "ready"]);
    expect((await get(id)).state).toBe("UPDATING");
    await test.fleet.pass(10_000);
    expect(stages()).toEqual(["ready"]);
    test.clock.advance(1_000);
    await test.settle();
    expect((await get(id)).state).toBe("READY");
  });

  it("by two writers of different fields keeps both changes", async () => {
    const { id } = await ready();
    const responses = await Promise.all([
      as(alice, "PATCH", path(id), { displayName: "both" }),
      as(alice, "PATCH", path(id), { description: "of them" }),
      as(alice, "PATCH", path(id), { minReplicaCount: 1 }),
      as(alice, "PATCH", path(id), { annotations: { team: "x" } }),
    ]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await get(id)).toMatchObject({
      displayName: "both",
      description: "of them",
      minReplicaCount: 1,
      annotations: { team: "x" },
    });
  });
});

describe("shapes", () => {
  const shape = "accounts/acme/deploymentShapes/fast";

  it("set fields of a deployment, which can't be set to another value", async () => {
    test.shapes.set(shape, {
      baseModel: LIBRARY,
      precision: "FP8",
      maxContextLength: 1024,
      enableAddons: true,
    });
    const made = await ready({ deploymentShape: shape });
    expect(made).toMatchObject({
      deploymentShape: `${shape}/versions/1`,
      precision: "FP8",
      maxContextLength: 1024,
      enableAddons: true,
    });
    const body = { baseModel: LIBRARY, deploymentShape: shape };
    expect((await as(alice, "POST", path(), { ...body, precision: "FP8" })).status).toBe(200);
    refused(await as(alice, "POST", path(), { ...body, precision: "FP16" }), "precision");
    refused(await as(alice, "PATCH", path(made.id), { maxContextLength: 512 }), "maxContextLength");
    expect((await as(alice, "PATCH", path(made.id), { minReplicaCount: 1 })).status).toBe(200);
    const freed = await as(alice, "PATCH", path(made.id), { deploymentShape: null, maxContextLength: 512 });
    expect(freed.json).toMatchObject({ deploymentShape: "", precision: "FP8", maxContextLength: 512 });
  });

  it("are refused when they are unknown, for another model or, unless that is skipped, not validated", async () => {
    test.shapes.set("accounts/acme/deploymentShapes/other", { baseModel: SERVED });
    test.shapes.set("accounts/acme/deploymentShapes/draft", { baseModel: LIBRARY });
    const make = (name: string, query = "") =>
      as(alice, "POST", `${path()}${query}`, {
        baseModel: LIBRARY,
        deploymentShape: `accounts/acme/deploymentShapes/${name}`,
      });
    refused(await make("other"), "deploymentShape");
    expect((await make("nothing")).status).toBe(404);
    refused(await make("draft"), "not validated");
    expect((await make("draft", "?skipShapeValidation=true")).status).toBe(200);
  });
});

describe("schedules", () => {
  it("raise the lower bound while they are active, and not when they are disabled", async () => {
    const eight = new Date(test.clock.now() + DAY_MS).setUTCHours(8, 0, 0, 0);
    const made = await ready({ maxReplicaCount: 3, ...schedules({ minReplicaCount: 2 }) });
    expect(made.autoscalingPolicy.scalingSchedules.peak).toMatchObject({
      schedule: "0 8 * * *",
      timezone: "UTC",
    });
    const minimum = async (): Promise<number | undefined> => {
      await test.orchestrator.refresh();
      return test.fleet.specs.get(made.name)?.minReplicas;
    };
    test.clock.advance(eight - 1 - test.clock.now());
    expect(await minimum()).toBe(0);
    test.clock.advance(1);
    expect(await minimum()).toBe(2);
    test.clock.advance(3_599_999);
    expect(await minimum()).toBe(2);
    test.clock.advance(1);
    expect(await minimum()).toBe(0);
    test.clock.advance(DAY_MS - 3_600_000);
    expect(await minimum()).toBe(2);
    await as(alice, "PATCH", path(made.id), schedules({ disabled: true }));
    expect(await minimum()).toBe(0);
  });
});

describe("scale", () => {
  it("sets the number of replicas until the bounds are changed", async () => {
    const { id } = await ready({ maxReplicaCount: 4 });
    expect((await as(alice, "PATCH", path(id, ":scale"), { replicaCount: 3 })).json).toEqual({});
    expect(test.fleet.specs.get(nameOf(id))?.fixedReplicas).toBe(3);
    await test.settle();
    expect(await get(id)).toMatchObject({ desiredReplicaCount: 3, replicaCount: 3 });
    await as(alice, "PATCH", path(id, ":scale"), { replicaCount: 0 });
    await test.settle();
    expect(await get(id)).toMatchObject({ state: "READY", replicaCount: 0 });
    await as(alice, "PATCH", path(id, ":scale"), { replica_count: 2 });
    expect(test.fleet.specs.get(nameOf(id))?.fixedReplicas).toBe(2);
    await as(alice, "PATCH", path(id, ":scale"), {});
    expect(test.fleet.specs.get(nameOf(id))?.fixedReplicas).toBe(0);
    await as(alice, "PATCH", path(id), { maxReplicaCount: 2 });
    expect(test.fleet.specs.get(nameOf(id))).toMatchObject({ fixedReplicas: null, maxReplicas: 2 });
  });

  it("refuses a number above the upper bound and a negative one", async () => {
    const { id } = await ready();
    refused(await as(alice, "PATCH", path(id, ":scale"), { replicaCount: 2 }), "replicaCount");
    refused(await as(alice, "PATCH", path(id, ":scale"), { replicaCount: -1 }), "replicaCount");
  });
});

describe("the fleet's spec", () => {
  it("carries windows, load targets, affinity, draft, context and long prompts", async () => {
    const { id } = await ready({
      minReplicaCount: 1,
      maxReplicaCount: 3,
      autoscalingPolicy: { scaleUpWindow: "1s", loadTargets: { tokens_generated_per_second: 200 } },
      enableSessionAffinity: true,
      draftModel: SERVED,
      draftTokenCount: 4,
      maxContextLength: 2048,
      autoTune: { longPrompt: true },
      precision: "FP8",
    });
    const spec = test.fleet.specs.get(nameOf(id))!;
    expect(spec).toMatchObject({
      model: LIBRARY,
      minReplicas: 1,
      maxReplicas: 3,
      sessionAffinity: true,
      scaling: {
        scaleUpWindowMs: 1_000,
        scaleDownWindowMs: 600_000,
        scaleToZeroWindowMs: 3_600_000,
        loadTargets: { tokens_generated_per_second: 200 },
      },
    });
    const engine = spec.engine as { options(path: string | null): Json };
    expect(engine.options(null)).toMatchObject({
      model: LIBRARY,
      precision: "FP8",
      draftModel: SERVED,
      draftTokens: 4,
      ngramLength: null,
      contextLength: 2048,
      longPrompt: true,
    });
  });

  it("is applied again for every deployment that is not deleted when a process starts", async () => {
    const { id } = await ready();
    const gone = await ready();
    await as(alice, "DELETE", path(gone.id));
    await test.settle();
    const fleet = new TestFleet();
    const serving = test.another(fleet);
    await serving.start();
    expect(fleet.specs.has(nameOf(id))).toBe(true);
    expect(fleet.specs.has(nameOf(gone.id))).toBe(false);
    expect(serving.resolve(alice.principal, `fireworks/library#acme/${id}`).deployment).toBe(nameOf(id));
    await serving.close();
  });
});

describe("direct routes", () => {
  it("have a handle and keys of their own, of which responses show only enough to tell them apart", async () => {
    const keys = ["correct-horse-battery", "staple-0123456789"];
    const made = await ready({ directRouteType: "INTERNET", directRouteApiKeys: keys });
    expect(made.directRouteHandle).toMatch(new RegExp(`^.*/direct/acme/${made.id}$`));
    expect(made.directRouteApiKeys).toHaveLength(2);
    expect(JSON.stringify(made)).not.toMatch(/correct-horse|staple-01/);
    const authorization = `Bearer ${keys[1]}`;
    const found = test.orchestrator.resolveDirectRoute(
      `/direct/acme/${made.id}/v1/chat/completions`,
      authorization,
    );
    expect(found).toMatchObject({ path: "/v1/chat/completions", principal: { deployment: nameOf(made.id) } });
    const route = test.orchestrator.resolve(found!.principal, "fireworks/library");
    expect(route).toMatchObject({ deployment: nameOf(made.id) });
    const [kept] = made.directRouteApiKeys;
    await as(alice, "PATCH", path(made.id), { directRouteApiKeys: [kept] });
    expect(() => test.orchestrator.resolveDirectRoute(`/direct/acme/${made.id}/v1/x`, authorization)).toThrow(
      "API key",
    );
    expect(
      test.orchestrator.resolveDirectRoute(`/direct/acme/${made.id}/v1/x`, `Bearer ${keys[0]}`),
    ).not.toBeNull();
  });

  it("accept no other key, reach no other deployment, and answer like a missing route otherwise", async () => {
    const key = "correct-horse-battery";
    const deployment = await ready({ directRouteType: "INTERNET", directRouteApiKeys: [key] });
    const other = await ready();
    for (const [id, authorization] of [
      [deployment.id, `Bearer ${alice.key}`],
      [deployment.id, undefined],
      [other.id, `Bearer ${key}`],
      ["nothing", `Bearer ${key}`],
    ]) {
      expect(() => test.orchestrator.resolveDirectRoute(`/direct/acme/${id}/v1/x`, authorization)).toThrow(
        expect.objectContaining({ code: "UNAUTHORIZED" }),
      );
    }
    const { principal } = test.orchestrator.resolveDirectRoute(
      `/direct/acme/${deployment.id}/v1/x`,
      `Bearer ${key}`,
    )!;
    for (const name of [SERVED, "gpt", `${LIBRARY}#${nameOf(other.id)}`, "fireworks/served"]) {
      expect(() => test.orchestrator.resolve(principal, name), name).toThrow(
        expect.objectContaining({ code: "NOT_FOUND" }),
      );
    }
    expect(test.orchestrator.resolveDirectRoute("/v1/chat/completions", `Bearer ${key}`)).toBeNull();
  });
});

describe("details", () => {
  it("include metrics of a time range, shards, the ledger and the timeline", async () => {
    const { id } = await ready();
    expect((await as(alice, "GET", path(id, ":metrics?timeRange=1m"))).json.metrics).toEqual({
      requests: 4,
      errors: 1,
      prompt_tokens: 40,
      cached_prompt_tokens: 10,
      generated_tokens: 80,
      requests_per_second: 4 / 60,
      tokens_generated_per_second: 80 / 60,
      time_to_first_token_mean: 0.05,
    });
    refused(await as(alice, "GET", path(id, ":metrics?timeRange=1y")), "timeRange");
    const { json } = await as(alice, "GET", path(id, "/shards"));
    expect(json).toMatchObject({
      deploymentShards: [{ name: `${nameOf(id)}/shards/shard-0`, state: "READY" }],
      totalSize: 1,
    });
    expect((await as(alice, "GET", path(id, "/ledger"))).json).toEqual({ ledger: [] });
    expect((await as(alice, "DELETE", path(id, "/ledger"))).json).toEqual({});
    expect((await as(alice, "GET", path(id, "/terminationMessage"))).json).toEqual({ message: "" });
    refused(await as(alice, "GET", path(id, "/shards?filter=state%3DREADY")), "filter");
  });

  it("include lists that filter and order by the fields of deployments", async () => {
    const mark = `mark-${++count}`;
    for (const minReplicaCount of [2, 1]) await ready({ displayName: mark, minReplicaCount });
    await ready({ displayName: mark, annotations: { team: "x" } });
    const list = async (filter: string, parameters = ""): Promise<number[]> => {
      const query = `filter=${encodeURIComponent(`displayName="${mark}" ${filter}`)}${parameters}`;
      const { json } = await as(alice, "GET", `${path()}?${query}`);
      return json.deployments.map((one: Json) => one.minReplicaCount);
    };
    expect(await list("", "&orderBy=minReplicaCount")).toEqual([0, 1, 2]);
    expect(await list("AND maxReplicaCount > 1")).toEqual([2]);
    expect(await list('AND annotations.team = "x" AND state = READY')).toEqual([0]);
    expect(await list("AND replicaCount >= 1", "&orderBy=minReplicaCount%20desc")).toEqual([2, 1, 0]);
    expect(await list("AND state = FAILED")).toEqual([]);
  });
});

describe("a host with a region", () => {
  it("accepts placements that include its region and refuses all others", async () => {
    const there = await startOrchestration("EU_PARIS_1");
    try {
      const { key } = await there.addUser("acme", "alice", "user");
      const make = (body: object) => there.call(key, "POST", path(), { baseModel: LIBRARY, ...body });
      expect((await make({})).json.region).toBe("EU_PARIS_1");
      expect((await make({ placement: { multiRegion: "EUROPE" } })).status).toBe(200);
      expect((await make({ placement: { regions: ["US_IOWA_1", "EU_PARIS_1"] } })).status).toBe(200);
      refused(await make({ region: "US_IOWA_1" }), "region");
      refused(await make({ placement: { multiRegion: "US" } }), "placement");
    } finally {
      await there.close();
    }
  });
});
