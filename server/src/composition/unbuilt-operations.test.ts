import { describe, expect, test } from "vitest";
import { findContractOperation } from "./unbuilt-operations.ts";

const find = findContractOperation();

describe("an operation of the contract", () => {
  test.each([
    ["POST", "/inference/v1/embeddings", "createEmbedding"],
    ["POST", "/v1/embeddings", "createEmbedding"],
    ["POST", "/v1/audio/transcriptions", "createTranscription"],
    ["GET", "/v1/accounts/a/supervisedFineTuningJobs", "listSupervisedFineTuningJobs"],
    ["HEAD", "/v1/accounts/a/supervisedFineTuningJobs/j", "getSupervisedFineTuningJob"],
    ["DELETE", "/inference/v1/responses/r", "deleteResponse"],
    ["POST", "/v1/accounts/a/evaluators/e:validateUpload", "validateEvaluatorUpload"],
  ])("is found by its method and path: %s %s", (method, path, operationId) => {
    expect(find(method, path)?.operationId).toBe(operationId);
  });

  test.each([
    ["POST", "/nothing"],
    ["DELETE", "/v1/embeddings"],
    ["GET", "/v1/accounts//supervisedFineTuningJobs"],
    ["GET", "/v1/accounts/a/b/supervisedFineTuningJobs"],
    ["POST", "/v1/accounts/a/evaluators/e:nothing"],
  ])("is not found for %s %s", (method, path) => {
    expect(find(method, path)).toBeNull();
  });

  test("takes a bare key only for audio and its batches", () => {
    expect(find("POST", "/v1/audio/translations")?.acceptsBareKey).toBe(true);
    expect(find("GET", "/v1/accounts/a/batch_job/b")?.acceptsBareKey).toBe(true);
    expect(find("POST", "/v1/embeddings")?.acceptsBareKey).toBe(false);
  });
});
