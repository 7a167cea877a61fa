import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { requestOf, tempFolder } from "../testing.ts";

/** Command lines from the reference's pages, with names for placeholders such as `<MODEL_ID>`. */

const files = tempFolder();
mkdirSync(join(files, "checkpoint"));
writeFileSync(join(files, "checkpoint/config.json"), "{}");
writeFileSync(join(files, "training_dataset.jsonl"), "{}\n");
const CHECKPOINT = join(files, "checkpoint");
const DATA = join(files, "training_dataset.jsonl");
const A = "/v1/accounts/acme";
const model = (id: string, account = "acme") => `accounts/${account}/models/${id}`;

describe("a command line of the reference sends the expected request", () => {
  test.each<[string, string, string, unknown?]>([
    // users
    [
      'create user --email="alice@example.com"',
      "POST",
      `${A}/users`,
      { role: "user", email: "alice@example.com" },
    ],
    [
      'create user --email="alice@example.com" --role=admin',
      "POST",
      `${A}/users`,
      { role: "admin", email: "alice@example.com" },
    ],
    ['update user alice --role="user"', "PATCH", `${A}/users/alice`, { role: "user" }],
    [
      'update user my-user --display-name="Alice Cullen"',
      "PATCH",
      `${A}/users/my-user`,
      { displayName: "Alice Cullen" },
    ],
    ["update user my-user --user admin", "PATCH", `${A}/users/my-user`, { role: "admin" }],
    ["delete user alice", "DELETE", `${A}/users/alice`],
    ["get user john-08bb29", "GET", `${A}/users/john-08bb29`],
    // keys
    [
      'create api-key --key-name "quick-start"',
      "POST",
      `${A}/apiKeys`,
      { apiKey: { displayName: "quick-start" } },
    ],
    ["delete api-key key_42vAYeb7rwt9zzg1", "POST", `${A}/apiKeys:delete`, { keyId: "key_42vAYeb7rwt9zzg1" }],
    ["list api-key", "GET", `${A}/apiKeys`],
    ["list api-key --all-users", "GET", `${A}/apiKeys`],
    // quotas and reservations
    ["list quotas", "GET", `${A}/quotas`],
    ["list reservations", "GET", `${A}/reservations`],
    [
      "update quota monthly-spend-usd --value 100",
      "PATCH",
      `${A}/quotas/monthly-spend-usd`,
      { value: "100" },
    ],
    // models
    [
      `create model my-model ${CHECKPOINT}/`,
      "POST",
      `${A}/models`,
      { modelId: "my-model", model: { kind: "HF_BASE_MODEL" } },
    ],
    [
      `create model my-model ${CHECKPOINT} --public`,
      "POST",
      `${A}/models`,
      { modelId: "my-model", model: { kind: "HF_BASE_MODEL", public: true } },
    ],
    [
      `create model my-model ${CHECKPOINT} --base-model "accounts/fireworks/models/base"`,
      "POST",
      `${A}/models`,
      {
        modelId: "my-model",
        model: { kind: "HF_PEFT_ADDON", peftDetails: { baseModel: model("base", "fireworks") } },
      },
    ],
    [
      "create model my-model s3://bucket/path/ --aws-access-key-id AKIA --aws-secret-access-key secret",
      "POST",
      `${A}/models`,
      { modelId: "my-model", model: { kind: "HF_BASE_MODEL" } },
    ],
    ["get model -a fireworks my-model", "GET", "/v1/accounts/fireworks/models/my-model"],
    ["-a fireworks get model my-model", "GET", "/v1/accounts/fireworks/models/my-model"],
    ["list models", "GET", `${A}/models`],
    [
      'update model my-model --display-name="New Name"',
      "PATCH",
      `${A}/models/my-model`,
      { displayName: "New Name" },
    ],
    ["update model my-model --public", "PATCH", `${A}/models/my-model`, { public: true }],
    ["update model my-model --public=false", "PATCH", `${A}/models/my-model`, { public: false }],
    ["delete model my-model", "DELETE", `${A}/models/my-model`],
    [`download model my-model ${files}/checkpoint/`, "GET", `${A}/models/my-model:getDownloadEndpoint`],
    ["import model llama-v3p1-8b-instruct", "POST", `${A}/models/llama-v3p1-8b-instruct:import`, {}],
    [
      "import model llama-v3p1-8b-instruct --model-id mine",
      "POST",
      `${A}/models/mine:import`,
      { sourceModel: model("llama-v3p1-8b-instruct", "fireworks") },
    ],
    ["prepare-model my-model", "POST", `${A}/models/my-model:prepare`, {}],
    // datasets
    [`create dataset my-dataset ${DATA}`, "POST", `${A}/datasets`, { datasetId: "my-dataset", dataset: {} }],
    ["get dataset instr-fine-tuning", "GET", `${A}/datasets/instr-fine-tuning`],
    ["list datasets", "GET", `${A}/datasets`],
    ["update dataset my-dataset --display-name x", "PATCH", `${A}/datasets/my-dataset`, { displayName: "x" }],
    ["delete dataset my-dataset", "DELETE", `${A}/datasets/my-dataset`],
    // jobs
    [
      "create sftj --base-model llama-v3p1-8b-instruct --dataset cancerset --output-model my-tuned-model --job-id my-job --learning-rate 0.0001 --epochs 2 --early-stop --evaluation-dataset my-eval-set",
      "POST",
      `${A}/supervisedFineTuningJobs?supervisedFineTuningJobId=my-job`,
      {
        dataset: "accounts/acme/datasets/cancerset",
        earlyStop: true,
        baseModel: model("llama-v3p1-8b-instruct"),
        outputModel: "my-tuned-model",
        epochs: 2,
        learningRate: 0.0001,
        evaluationDataset: "accounts/acme/datasets/my-eval-set",
      },
    ],
    [
      "create sftj --warm-start-from my-lora --dataset d --output-model-id out --max-context-length 65536 --lora-rank 16 --turbo --quiet",
      "POST",
      `${A}/supervisedFineTuningJobs`,
      {
        dataset: "accounts/acme/datasets/d",
        isTurbo: true,
        warmStartFrom: model("my-lora"),
        outputModel: "out",
        loraRank: 16,
        maxContextLength: 65536,
      },
    ],
    [
      'create sftj --base-model m --dataset d --wandb-entity my-org --wandb-api-key xxx --wandb-project "My Project" --wandb-run-id r',
      "POST",
      `${A}/supervisedFineTuningJobs`,
      {
        dataset: "accounts/acme/datasets/d",
        baseModel: model("m"),
        wandbConfig: { enabled: true, apiKey: "…", entity: "my-org", project: "My Project", runId: "r" },
      },
    ],
    [
      'create rl-job --reward-endpoint "https://api.example.com/v1/evaluations/helpfulness-evaluator" --model-id "accounts/fireworks/models/llama-v3-8b-instruct" --dataset-id "my-training-dataset"',
      "POST",
      `${A}/reinforcementFineTuningJobs`,
      {
        dataset: "accounts/acme/datasets/my-training-dataset",
        trainingConfig: { baseModel: model("llama-v3-8b-instruct", "fireworks") },
        evaluator: "accounts/acme/evaluators/helpfulness-evaluator",
      },
    ],
    ["get fine-tuning-job my-fine-tuning-job", "GET", `${A}/supervisedFineTuningJobs/my-fine-tuning-job`],
    ["list fine-tuning-jobs", "GET", `${A}/supervisedFineTuningJobs`],
    ["list sftj", "GET", `${A}/supervisedFineTuningJobs`],
    ["delete fine-tuning-job my-job", "DELETE", `${A}/supervisedFineTuningJobs/my-job`],
    // deployments
    ["create deployment falcon-7b", "POST", `${A}/deployments`, { baseModel: model("falcon-7b") }],
    ["create deployment --model-id falcon-7b", "POST", `${A}/deployments`, { baseModel: model("falcon-7b") }],
    [
      "create deployment acme/falcon-7b --wait",
      "POST",
      `${A}/deployments`,
      { baseModel: model("falcon-7b") },
    ],
    [
      "create deployment accounts/fireworks/models/m --direct-route-type INTERNET --direct-route-api-keys=k1 --direct-route-api-keys=k2",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m", "fireworks"), directRouteType: "INTERNET", directRouteApiKeys: ["…", "…"] },
    ],
    [
      "create deployment accounts/fireworks/models/m --region US_IOWA_1",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m", "fireworks"), placement: { region: "US_IOWA_1" } },
    ],
    [
      "create deployment m --min-replica-count 2 --max-replica-count 3",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), minReplicaCount: 2, maxReplicaCount: 3 },
    ],
    [
      "create deployment m --scale-up-window 30s --scale-down-window 10m --scale-to-zero-window 1h --unused-auto-delete-duration 168h0m0s --load-targets default=0.8,tokens_generated_per_second=100",
      "POST",
      `${A}/deployments`,
      {
        baseModel: model("m"),
        autoscalingPolicy: {
          scaleUpWindow: "30s",
          scaleDownWindow: "600s",
          scaleToZeroWindow: "3600s",
          loadTargets: { default: 0.8, tokens_generated_per_second: 100 },
        },
        unusedAutoDeleteDuration: "604800s",
      },
    ],
    [
      "create deployment m --accelerator-count 2",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), acceleratorCount: 2 },
    ],
    [
      "create deployment m --world-size 2",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), acceleratorCount: 2 },
    ],
    [
      'create deployment accounts/fireworks/models/m --accelerator-type="NVIDIA_H100_80GB" --draft-model="accounts/fireworks/models/d" --draft-token-count=4',
      "POST",
      `${A}/deployments`,
      {
        baseModel: model("m", "fireworks"),
        acceleratorType: "NVIDIA_H100_80GB",
        draftModel: model("d", "fireworks"),
        draftTokenCount: 4,
      },
    ],
    [
      "create deployment m --ngram-speculation-length 3 --draft-token-count 4",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), ngramSpeculationLength: 3, draftTokenCount: 4 },
    ],
    [
      "create deployment m --accelerator-type NVIDIA_H100_80GB --precision FP8",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), acceleratorType: "NVIDIA_H100_80GB", precision: "FP8" },
    ],
    [
      "create deployment m --accelerator-count=2 --long-prompt",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), acceleratorCount: 2, autoTune: { longPrompt: true } },
    ],
    [
      "create deployment m --enable-session-affinity",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), enableSessionAffinity: true },
    ],
    [
      "create deployment m --enable-addons",
      "POST",
      `${A}/deployments`,
      { baseModel: model("m"), enableAddons: true },
    ],
    [
      "create deployment m --description d --display-name n --disable-speculative-decoding --max-peft-batch-size 8",
      "POST",
      `${A}/deployments?disableSpeculativeDecoding=true`,
      { baseModel: model("m"), description: "d", displayName: "n", maxPeftBatchSize: 8 },
    ],
    [
      "update deployment my-deployment --min-replica-count 2",
      "PATCH",
      `${A}/deployments/my-deployment`,
      { minReplicaCount: 2 },
    ],
    ["update deployment d --accelerator-count 2", "PATCH", `${A}/deployments/d`, { acceleratorCount: 2 }],
    [
      "update deployment d --long-prompt=false",
      "PATCH",
      `${A}/deployments/d`,
      { autoTune: { longPrompt: false } },
    ],
    ["get deployment my-deployment", "GET", `${A}/deployments/my-deployment`],
    ["list deployments", "GET", `${A}/deployments`],
    ["delete deployment my-deployment", "DELETE", `${A}/deployments/my-deployment`],
    [
      "delete deployment d --ignore-checks --hard",
      "DELETE",
      `${A}/deployments/d?hard=true&ignoreChecks=true`,
    ],
    ["undelete deployment my-deployment", "POST", `${A}/deployments/my-deployment:undelete`, {}],
    [
      "scale deployment my-deployment --replica-count 0",
      "PATCH",
      `${A}/deployments/my-deployment:scale`,
      { replicaCount: 0 },
    ],
    // deployed models
    ["list deployed-models", "GET", `${A}/deployedModels`],
    [
      "update deployed-model my-model-abcdef --default",
      "PATCH",
      `${A}/deployedModels/my-model-abcdef`,
      { default: true },
    ],
    [
      "update deployed-model my-model-abcdef --public=false",
      "PATCH",
      `${A}/deployedModels/my-model-abcdef`,
      { public: false },
    ],
    ["load-lora my-model", "POST", `${A}/deployedModels`, { model: model("my-model") }],
    [
      'load-lora my-model --deployment="abcd1234" --public --wait',
      "POST",
      `${A}/deployedModels`,
      { model: model("my-model"), deployment: "accounts/acme/deployments/abcd1234", public: true },
    ],
    [
      'unload-lora my-model --deployment="abcd1234"',
      "GET",
      `${A}/deployedModels?filter=model+%3D+%22accounts%2Facme%2Fmodels%2Fmy-model%22+AND+deployment+%3D+%22accounts%2Facme%2Fdeployments%2Fabcd1234%22`,
    ],
    // extensions of the reference: accounts, other users' keys, maximums of quotas, reservations, billing, usage
    [
      'create account --account-id team --email "owner@team.example"',
      "POST",
      "/v1/accounts?accountId=team",
      { email: "owner@team.example" },
    ],
    ["get account", "GET", "/v1/accounts/acme"],
    ["get account accounts/team", "GET", "/v1/accounts/team"],
    [
      "create user --service-account --user-id robot",
      "POST",
      `${A}/users?userId=robot`,
      { role: "user", serviceAccount: true },
    ],
    [
      "create api-key --key-name first --user alice --expire-time 2027-01-31T00:00:00Z",
      "POST",
      `${A}/users/alice/apiKeys`,
      { apiKey: { displayName: "first", expireTime: "2027-01-31T00:00:00Z" } },
    ],
    [
      "update api-key key_1 --user alice --disabled --key-name laptop",
      "PATCH",
      `${A}/users/alice/apiKeys/key_1`,
      { displayName: "laptop", disabled: true },
    ],
    [
      "update account --email a@b --spend-alerts-usd 10,49.5",
      "PATCH",
      "/v1/accounts/acme",
      {
        email: "a@b",
        notificationSettings: {
          monthlySpendThresholds: [
            { currencyCode: "USD", units: "10", nanos: 0 },
            { currencyCode: "USD", units: "49", nanos: 500_000_000 },
          ],
        },
      },
    ],
    [
      "update quota loras --value 5 --max-value 10 --allow-missing",
      "PATCH",
      `${A}/quotas/loras?allowMissing=true`,
      { value: "5", maxValue: "10" },
    ],
    [
      "create reservation --accelerator-type nvidia_h100_80gb --reserved-count 12 --region EU_PARIS_1",
      "POST",
      `${A}/reservations`,
      { acceleratorType: "NVIDIA_H100_80GB", reservedCount: 12, region: "EU_PARIS_1" },
    ],
    ["get billing", "GET", `${A}/billing`],
    [
      "update billing --tier automatic --payment-terms prepaid",
      "PATCH",
      `${A}/billing`,
      { tier: null, paymentTerms: "PREPAID" },
    ],
    [
      "create payment --amount-usd 250 --reference bank --request-id bank-17",
      "POST",
      `${A}/payments`,
      { amountUsd: "250", reference: "bank", requestId: "bank-17" },
    ],
    ["create credit --amount-usd 5 --granted", "POST", `${A}/credits`, { amountUsd: "5", granted: true }],
    ["get invoice 2026-11", "GET", `${A}/invoices/2026-11`],
    ["list transactions", "GET", `${A}/transactions`],
    ["list audit-logs --page-size 20", "GET", `${A}/auditLogs?pageSize=20`],
    [
      "get usage --group-by model,day --group-by kind --start-time 2026-01-01T00:00:00Z",
      "GET",
      `${A}/usage?startTime=2026-01-01T00%3A00%3A00Z&groupBy=model&groupBy=day&groupBy=kind`,
    ],
    // lists
    [
      "list models --filter 'state=READY' --order-by 'createTime desc' --page-size 10 --page-token t",
      "GET",
      `${A}/models?pageSize=10&pageToken=t&filter=state%3DREADY&orderBy=createTime+desc`,
    ],
    ["list models --no-paginate", "GET", `${A}/models?pageSize=200`],
  ])("firectl %s", async (line, method, path, body) => {
    expect(await requestOf(line)).toEqual({ method, path, ...(body !== undefined && { body }) });
  });
});

test("full names are accepted wherever ids are", async () => {
  expect((await requestOf("get deployment accounts/other/deployments/d")).path).toBe(
    "/v1/accounts/other/deployments/d",
  );
  expect((await requestOf("get model other/m")).path).toBe("/v1/accounts/other/models/m");
});
