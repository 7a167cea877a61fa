// Generated from contract/*.openapi.json by scripts/generate.ts. Don't edit.

import type * as types from "./types.ts";

type WithRequired<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
type Item<List, Key extends keyof List> = NonNullable<List[Key]> extends readonly (infer One)[] ? One : never;

/** Path, parameters and retry safety of each operation. */
export const OPERATIONS = {
  /** List accounts */
  listAccounts: {
    method: "GET",
    path: "/v1/accounts",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "accounts",
  },
  /** Validate model config */
  validateModelConfig: { method: "POST", path: "/v1/validateModelConfig", body: "json", repeatable: true },
  /** Get account */
  getAccount: { method: "GET", path: "/v1/accounts/{account_id}", query: ["readMask"] },
  /** List users */
  listUsers: {
    method: "GET",
    path: "/v1/accounts/{account_id}/users",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "users",
  },
  /** Create user */
  createUser: {
    method: "POST",
    path: "/v1/accounts/{account_id}/users",
    query: ["userId"],
    body: "json",
    newId: "userId",
  },
  /** Get user */
  getUser: { method: "GET", path: "/v1/accounts/{account_id}/users/{user_id}", query: ["readMask"] },
  /** Update user */
  updateUser: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/users/{user_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Remove a user */
  deleteUser: { method: "DELETE", path: "/v1/accounts/{account_id}/users/{user_id}" },
  /** List API keys */
  listApiKeys: {
    method: "GET",
    path: "/v1/accounts/{account_id}/apiKeys",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "apiKeys",
  },
  /** Create API key */
  createApiKey: { method: "POST", path: "/v1/accounts/{account_id}/apiKeys", body: "json" },
  /** Delete API key */
  deleteApiKey: {
    method: "POST",
    path: "/v1/accounts/{account_id}/apiKeys:delete",
    body: "json",
    repeatable: true,
  },
  /** List user API keys */
  listUserApiKeys: {
    method: "GET",
    path: "/v1/accounts/{account_id}/users/{user_id}/apiKeys",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "apiKeys",
  },
  /** Create user API key */
  createUserApiKey: {
    method: "POST",
    path: "/v1/accounts/{account_id}/users/{user_id}/apiKeys",
    body: "json",
  },
  /** Delete user API key */
  deleteUserApiKey: {
    method: "POST",
    path: "/v1/accounts/{account_id}/users/{user_id}/apiKeys:delete",
    body: "json",
    repeatable: true,
  },
  /** Get one API key */
  getUserApiKey: { method: "GET", path: "/v1/accounts/{account_id}/users/{user_id}/apiKeys/{key_id}" },
  /** List models */
  listModels: {
    method: "GET",
    path: "/v1/accounts/{account_id}/models",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "models",
  },
  /** Create model */
  createModel: { method: "POST", path: "/v1/accounts/{account_id}/models", body: "json", newId: "modelId" },
  /** Get model */
  getModel: { method: "GET", path: "/v1/accounts/{account_id}/models/{model_id}", query: ["readMask"] },
  /** Update model */
  updateModel: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/models/{model_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete model */
  deleteModel: { method: "DELETE", path: "/v1/accounts/{account_id}/models/{model_id}" },
  /** Get model download enDPOint */
  getModelDownloadEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/models/{model_id}:getDownloadEndpoint",
    query: ["readMask"],
  },
  /** Get model upload enDPOint */
  getModelUploadEndpoint: {
    method: "POST",
    path: "/v1/accounts/{account_id}/models/{model_id}:getUploadEndpoint",
    body: "json",
    repeatable: true,
  },
  /** Copy weights from cloud storage */
  importModel: { method: "POST", path: "/v1/accounts/{account_id}/models/{model_id}:import", body: "json" },
  /** Quantize to another precision */
  prepareModel: {
    method: "POST",
    path: "/v1/accounts/{account_id}/models/{model_id}:prepare",
    body: "json",
    repeatable: true,
  },
  /** Check uploaded files, mark READY */
  validateModelUpload: {
    method: "GET",
    path: "/v1/accounts/{account_id}/models/{model_id}:validateUpload",
    query: ["skipHfConfigValidation", "trustRemoteCode", "configOnly"],
  },
  /** Create model version */
  createModelVersion: {
    method: "POST",
    path: "/v1/accounts/{account_id}/models/{model_id}/versions",
    query: ["versionId"],
    body: "json",
    newId: "versionId",
  },
  /** Get model version count */
  getModelVersionCount: { method: "GET", path: "/v1/accounts/{account_id}/models/{model_id}/versions:count" },
  /** Deploy model version */
  deployModelVersion: {
    method: "POST",
    path: "/v1/accounts/{account_id}/models/{model_id}/versions/{version_id}:deploy",
    body: "json",
  },
  /** List datasets */
  listDatasets: {
    method: "GET",
    path: "/v1/accounts/{account_id}/datasets",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "datasets",
  },
  /** Create dataset */
  createDataset: {
    method: "POST",
    path: "/v1/accounts/{account_id}/datasets",
    body: "json",
    newId: "datasetId",
  },
  /** Get dataset */
  getDataset: { method: "GET", path: "/v1/accounts/{account_id}/datasets/{dataset_id}", query: ["readMask"] },
  /** Update dataset */
  updateDataset: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/datasets/{dataset_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete dataset */
  deleteDataset: { method: "DELETE", path: "/v1/accounts/{account_id}/datasets/{dataset_id}" },
  /** Get dataset download enDPOint */
  getDatasetDownloadEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/datasets/{dataset_id}:getDownloadEndpoint",
    query: ["readMask", "downloadLineage"],
  },
  /** Get dataset upload enDPOint */
  getDatasetUploadEndpoint: {
    method: "POST",
    path: "/v1/accounts/{account_id}/datasets/{dataset_id}:getUploadEndpoint",
    body: "json",
    repeatable: true,
  },
  /** Split dataset */
  splitDataset: {
    method: "POST",
    path: "/v1/accounts/{account_id}/datasets/{dataset_id}:splitDataset",
    body: "json",
  },
  /** Upload one file, up to 150 MB */
  uploadDatasetFile: {
    method: "POST",
    path: "/v1/accounts/{account_id}/datasets/{dataset_id}:upload",
    body: "form",
  },
  /** Check uploaded rows, mark READY */
  validateDatasetUpload: {
    method: "POST",
    path: "/v1/accounts/{account_id}/datasets/{dataset_id}:validateUpload",
    body: "json",
    repeatable: true,
  },
  /** List deployments */
  listDeployments: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployments",
    query: ["pageSize", "pageToken", "filter", "orderBy", "showDeleted", "readMask"],
    items: "deployments",
  },
  /** Create deployment */
  createDeployment: {
    method: "POST",
    path: "/v1/accounts/{account_id}/deployments",
    query: [
      "disableAutoDeploy",
      "disableSpeculativeDecoding",
      "deploymentId",
      "validateOnly",
      "skipShapeValidation",
      "skipImageTagValidation",
    ],
    body: "json",
    newId: "deploymentId",
  },
  /** Get deployment */
  getDeployment: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}",
    query: ["readMask"],
  },
  /** Update deployment */
  updateDeployment: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}",
    query: ["skipShapeValidation", "updateMask"],
    body: "json",
  },
  /** Delete deployment */
  deleteDeployment: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}",
    query: ["hard", "ignoreChecks"],
  },
  /** Get deployment metrics */
  getDeploymentMetrics: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}:metrics",
    query: ["timeRange", "readMask"],
  },
  /** Set replica count directly */
  scaleDeployment: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}:scale",
    body: "json",
  },
  /** Restore a DELETED or FAILED deployment */
  undeleteDeployment: {
    method: "POST",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}:undelete",
    body: "json",
  },
  /** Get ledger */
  getLedger: { method: "GET", path: "/v1/accounts/{account_id}/deployments/{deployment_id}/ledger" },
  /** Reset ledger */
  resetLedger: { method: "DELETE", path: "/v1/accounts/{account_id}/deployments/{deployment_id}/ledger" },
  /** List deployment shards */
  listDeploymentShards: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}/shards",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "deploymentShards",
  },
  /** Get termination message */
  getTerminationMessage: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}/terminationMessage",
  },
  /** List loaded LoRA addons */
  listDeployedModels: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployedModels",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "deployedModels",
  },
  /** Load a LoRA addon */
  createDeployedModel: {
    method: "POST",
    path: "/v1/accounts/{account_id}/deployedModels",
    query: ["replaceMergedAddon"],
    body: "json",
  },
  /** Get a loaded LoRA addon */
  getDeployedModel: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployedModels/{deployed_model_id}",
    query: ["readMask"],
  },
  /** Set default, public or labels */
  updateDeployedModel: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/deployedModels/{deployed_model_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Unload a LoRA addon */
  deleteDeployedModel: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/deployedModels/{deployed_model_id}",
  },
  /** List deployment shapes */
  listDeploymentShapes: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deploymentShapes",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask", "targetModel"],
    items: "deploymentShapes",
  },
  /** Create deployment shape */
  createDeploymentShape: {
    method: "POST",
    path: "/v1/accounts/{account_id}/deploymentShapes",
    query: ["deploymentShapeId"],
    body: "json",
    newId: "deploymentShapeId",
  },
  /** Get deployment shape */
  getDeploymentShape: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}",
    query: ["readMask", "skipShapeValidation"],
  },
  /** Update deployment shape */
  updateDeploymentShape: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}",
    query: ["fromLatestValidated", "updateMask"],
    body: "json",
  },
  /** Delete deployment shape */
  deleteDeploymentShape: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}",
  },
  /** List deployment shape versions */
  listDeploymentShapeVersions: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "deploymentShapeVersions",
  },
  /** Get deployment shape version */
  getDeploymentShapeVersion: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions/{version_id}",
    query: ["readMask"],
  },
  /** Update deployment shape version */
  updateDeploymentShapeVersion: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions/{version_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** List supervised fine tuning jobs */
  listSupervisedFineTuningJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "supervisedFineTuningJobs",
  },
  /** Create supervised fine tuning job */
  createSupervisedFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs",
    query: ["supervisedFineTuningJobId"],
    body: "json",
    newId: "supervisedFineTuningJobId",
  },
  /** Estimate supervised fine tuning job cost */
  estimateSupervisedFineTuningJobCost: {
    method: "POST",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs:estimateCost",
    body: "json",
    repeatable: true,
  },
  /** Get supervised fine tuning job */
  getSupervisedFineTuningJob: {
    method: "GET",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}",
    query: ["readMask"],
  },
  /** Delete supervised fine tuning job */
  deleteSupervisedFineTuningJob: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}",
  },
  /** Cancel supervised fine tuning job */
  cancelSupervisedFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** Resume supervised fine tuning job */
  resumeSupervisedFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}:resume",
    body: "json",
  },
  /** List reinforcement fine tuning jobs */
  listReinforcementFineTuningJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "reinforcementFineTuningJobs",
  },
  /** Create reinforcement fine tuning job */
  createReinforcementFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs",
    query: ["reinforcementFineTuningJobId"],
    body: "json",
    newId: "reinforcementFineTuningJobId",
  },
  /** Get reinforcement fine tuning job */
  getReinforcementFineTuningJob: {
    method: "GET",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}",
    query: ["readMask"],
  },
  /** Update reinforcement fine tuning job */
  updateReinforcementFineTuningJob: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete reinforcement fine tuning job */
  deleteReinforcementFineTuningJob: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}",
  },
  /** Cancel reinforcement fine tuning job */
  cancelReinforcementFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** Debug reinforcement fine tuning job */
  debugReinforcementFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:debug",
    body: "json",
  },
  /** Get reinforcement fine tuning job metrics file enDPOint */
  getReinforcementFineTuningJobMetricsFileEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:getMetricsFileEndpoint",
  },
  /** Resume reinforcement fine tuning job */
  resumeReinforcementFineTuningJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:resume",
    body: "json",
  },
  /** List reinforcement fine-tuning steps */
  listRlorTrainerJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "rlorTrainerJobs",
  },
  /** Create a reinforcement fine-tuning step */
  createRlorTrainerJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs",
    query: ["rlorTrainerJobId", "trainingShape"],
    body: "json",
    newId: "rlorTrainerJobId",
  },
  /** Get a reinforcement fine-tuning step */
  getRlorTrainerJob: {
    method: "GET",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}",
    query: ["readMask"],
  },
  /** Delete a reinforcement fine-tuning step */
  deleteRlorTrainerJob: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}",
  },
  /** Cancel rlor trainer job */
  cancelRlorTrainerJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** Run one keep-alive training step */
  executeRlorTrainStep: {
    method: "POST",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}:executeTrainStep",
    body: "json",
  },
  /** Resume rlor trainer job */
  resumeRlorTrainerJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}:resume",
    body: "json",
  },
  /** List rlor trainer job checkpoints */
  listRlorTrainerJobCheckpoints: {
    method: "GET",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}/checkpoints",
    query: ["pageSize", "pageToken"],
    items: "checkpoints",
  },
  /** Get rlor trainer job public logs */
  getRlorTrainerJobPublicLogs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}/publicLogs",
  },
  /** List DPO jobs */
  listDpoJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/dpoJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "dpoJobs",
  },
  /** Create DPO job */
  createDpoJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/dpoJobs",
    query: ["dpoJobId"],
    body: "json",
    newId: "dpoJobId",
  },
  /** Get DPO job */
  getDpoJob: { method: "GET", path: "/v1/accounts/{account_id}/dpoJobs/{dpo_job_id}", query: ["readMask"] },
  /** Delete DPO job */
  deleteDpoJob: { method: "DELETE", path: "/v1/accounts/{account_id}/dpoJobs/{dpo_job_id}" },
  /** Cancel DPO job */
  cancelDpoJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/dpoJobs/{dpo_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** Get DPO job metrics file enDPOint */
  getDpoJobMetricsFileEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/dpoJobs/{dpo_job_id}:getMetricsFileEndpoint",
  },
  /** Resume DPO job */
  resumeDpoJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/dpoJobs/{dpo_job_id}:resume",
    body: "json",
  },
  /** List evaluators */
  listEvaluators: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluators",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "evaluators",
  },
  /** Create evaluator, inline criteria (deprecated 2026) */
  createEvaluator: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluators",
    body: "json",
    newId: "evaluatorId",
  },
  /** Run an evaluator on sample rows */
  previewEvaluator: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluators:previewEvaluator",
    body: "json",
  },
  /** Create evaluator, then upload code */
  createEvaluatorV2: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluatorsV2",
    body: "json",
    newId: "evaluatorId",
  },
  /** Get evaluator */
  getEvaluator: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}",
    query: ["readMask"],
  },
  /** Update evaluator */
  updateEvaluator: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}",
    query: ["prepareCodeUpload", "updateMask"],
    body: "json",
  },
  /** Delete evaluator */
  deleteEvaluator: { method: "DELETE", path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}" },
  /** Get evaluator build log enDPOint */
  getEvaluatorBuildLogEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}:getBuildLogEndpoint",
    query: ["readMask"],
  },
  /** Get signed source download URLs */
  getEvaluatorSourceCodeEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}:getSourceCodeSignedUrl",
    query: ["readMask"],
  },
  /** Get evaluator upload enDPOint */
  getEvaluatorUploadEndpoint: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}:getUploadEndpoint",
    body: "json",
    repeatable: true,
  },
  /** Validate evaluator upload */
  validateEvaluatorUpload: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}:validateUpload",
    body: "json",
    repeatable: true,
  },
  /** List evaluator versions */
  listEvaluatorVersions: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}/versions",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "evaluatorVersions",
  },
  /** Get evaluator version */
  getEvaluatorVersion: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}",
    query: ["readMask"],
  },
  /** Delete evaluator version */
  deleteEvaluatorVersion: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}",
  },
  /** Alias evaluator version */
  aliasEvaluatorVersion: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}:alias",
    body: "json",
  },
  /** Rollback evaluator */
  rollbackEvaluator: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}:rollback",
    body: "json",
  },
  /** List evaluation jobs */
  listEvaluationJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluationJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "evaluationJobs",
  },
  /** Create evaluation job */
  createEvaluationJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluationJobs",
    body: "json",
    newId: "evaluationJobId",
  },
  /** Get evaluation job */
  getEvaluationJob: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}",
    query: ["readMask"],
  },
  /** Delete evaluation job */
  deleteEvaluationJob: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}",
  },
  /** Cancel evaluation job */
  cancelEvaluationJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** Get evaluation job execution log enDPOint */
  getEvaluationJobExecutionLogEndpoint: {
    method: "GET",
    path: "/v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}:getExecutionLogEndpoint",
  },
  /** List batch inference jobs */
  listBatchInferenceJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/batchInferenceJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "batchInferenceJobs",
  },
  /** Create batch inference job */
  createBatchInferenceJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/batchInferenceJobs",
    query: ["batchInferenceJobId"],
    body: "json",
    newId: "batchInferenceJobId",
  },
  /** Get batch inference job */
  getBatchInferenceJob: {
    method: "GET",
    path: "/v1/accounts/{account_id}/batchInferenceJobs/{batch_inference_job_id}",
    query: ["readMask"],
  },
  /** Delete batch inference job */
  deleteBatchInferenceJob: {
    method: "DELETE",
    path: "/v1/accounts/{account_id}/batchInferenceJobs/{batch_inference_job_id}",
  },
  /** Cancel batch inference job */
  cancelBatchInferenceJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/batchInferenceJobs/{batch_inference_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** List secrets */
  listSecrets: {
    method: "GET",
    path: "/v1/accounts/{account_id}/secrets",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "secrets",
  },
  /** Create secret */
  createSecret: { method: "POST", path: "/v1/accounts/{account_id}/secrets", body: "json" },
  /** Get secret */
  getSecret: { method: "GET", path: "/v1/accounts/{account_id}/secrets/{secret_id}", query: ["readMask"] },
  /** Update secret */
  updateSecret: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/secrets/{secret_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete secret */
  deleteSecret: { method: "DELETE", path: "/v1/accounts/{account_id}/secrets/{secret_id}" },
  /** List quotas */
  listQuotas: {
    method: "GET",
    path: "/v1/accounts/{account_id}/quotas",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "quotas",
  },
  /** Get quota */
  getQuota: { method: "GET", path: "/v1/accounts/{account_id}/quotas/{quota_id}", query: ["readMask"] },
  /** Update quota */
  updateQuota: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/quotas/{quota_id}",
    query: ["allowMissing", "updateMask"],
    body: "json",
  },
  /** List reserved capacity */
  listReservations: {
    method: "GET",
    path: "/v1/accounts/{account_id}/reservations",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "reservations",
  },
  /** Get one reservation */
  getReservation: {
    method: "GET",
    path: "/v1/accounts/{account_id}/reservations/{reservation_id}",
    query: ["readMask"],
  },
  /** List batch jobs */
  listBatchJobs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/batchJobs",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "batchJobs",
  },
  /** Create batch job */
  createBatchJob: { method: "POST", path: "/v1/accounts/{account_id}/batchJobs", body: "json" },
  /** Batch delete batch jobs */
  batchDeleteBatchJobs: {
    method: "POST",
    path: "/v1/accounts/{account_id}/batchJobs:batchDelete",
    body: "json",
    repeatable: true,
  },
  /** Get batch job */
  getBatchJob: { method: "GET", path: "/v1/accounts/{account_id}/batchJobs/{batch_job_id}" },
  /** Update batch job */
  updateBatchJob: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/batchJobs/{batch_job_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete batch job */
  deleteBatchJob: { method: "DELETE", path: "/v1/accounts/{account_id}/batchJobs/{batch_job_id}" },
  /** Cancel batch job */
  cancelBatchJob: {
    method: "POST",
    path: "/v1/accounts/{account_id}/batchJobs/{batch_job_id}:cancel",
    body: "json",
    repeatable: true,
  },
  /** Page through job logs */
  getBatchJobLogs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/batchJobs/{batch_job_id}:getLogs",
    query: ["ranks", "pageSize", "pageToken", "startTime", "filter", "startFromHead"],
    items: "entries",
  },
  /** List clusters */
  listClusters: {
    method: "GET",
    path: "/v1/accounts/{account_id}/clusters",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "clusters",
  },
  /** Create cluster */
  createCluster: {
    method: "POST",
    path: "/v1/accounts/{account_id}/clusters",
    body: "json",
    newId: "clusterId",
  },
  /** Get cluster */
  getCluster: { method: "GET", path: "/v1/accounts/{account_id}/clusters/{cluster_id}", query: ["readMask"] },
  /** Update cluster */
  updateCluster: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/clusters/{cluster_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete cluster */
  deleteCluster: { method: "DELETE", path: "/v1/accounts/{account_id}/clusters/{cluster_id}" },
  /** Get kubeconfig connection data */
  getClusterConnectionInfo: {
    method: "GET",
    path: "/v1/accounts/{account_id}/clusters/{cluster_id}:getConnectionInfo",
    query: ["readMask"],
  },
  /** List environments */
  listEnvironments: {
    method: "GET",
    path: "/v1/accounts/{account_id}/environments",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "environments",
  },
  /** Create environment */
  createEnvironment: {
    method: "POST",
    path: "/v1/accounts/{account_id}/environments",
    body: "json",
    newId: "environmentId",
  },
  /** Batch delete environments */
  batchDeleteEnvironments: {
    method: "POST",
    path: "/v1/accounts/{account_id}/environments:batchDelete",
    body: "json",
    repeatable: true,
  },
  /** Get environment */
  getEnvironment: { method: "GET", path: "/v1/accounts/{account_id}/environments/{environment_id}" },
  /** Update environment */
  updateEnvironment: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/environments/{environment_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete environment */
  deleteEnvironment: { method: "DELETE", path: "/v1/accounts/{account_id}/environments/{environment_id}" },
  /** Attach environment to a node pool */
  connectEnvironment: {
    method: "POST",
    path: "/v1/accounts/{account_id}/environments/{environment_id}:connect",
    body: "json",
  },
  /** Detach environment from its node pool */
  disconnectEnvironment: {
    method: "POST",
    path: "/v1/accounts/{account_id}/environments/{environment_id}:disconnect",
    body: "json",
  },
  /** List node pools */
  listNodePools: {
    method: "GET",
    path: "/v1/accounts/{account_id}/nodePools",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "nodePools",
  },
  /** Create node pool */
  createNodePool: {
    method: "POST",
    path: "/v1/accounts/{account_id}/nodePools",
    body: "json",
    newId: "nodePoolId",
  },
  /** Batch delete node pools */
  batchDeleteNodePools: {
    method: "POST",
    path: "/v1/accounts/{account_id}/nodePools:batchDelete",
    body: "json",
    repeatable: true,
  },
  /** Get node pool */
  getNodePool: { method: "GET", path: "/v1/accounts/{account_id}/nodePools/{node_pool_id}" },
  /** Update node pool */
  updateNodePool: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/nodePools/{node_pool_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** Delete node pool */
  deleteNodePool: { method: "DELETE", path: "/v1/accounts/{account_id}/nodePools/{node_pool_id}" },
  /** Get node pool stats */
  getNodePoolStats: { method: "GET", path: "/v1/accounts/{account_id}/nodePools/{node_pool_id}:getStats" },
  /** List node pool bindings */
  listNodePoolBindings: {
    method: "GET",
    path: "/v1/accounts/{account_id}/nodePoolBindings",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "nodePoolBindings",
  },
  /** Create node pool binding */
  createNodePoolBinding: { method: "POST", path: "/v1/accounts/{account_id}/nodePoolBindings", body: "json" },
  /** Delete node pool binding */
  deleteNodePoolBinding: {
    method: "POST",
    path: "/v1/accounts/{account_id}/nodePoolBindings:delete",
    body: "json",
    repeatable: true,
  },
  /** List snapshots */
  listSnapshots: {
    method: "GET",
    path: "/v1/accounts/{account_id}/snapshots",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "snapshots",
  },
  /** Create snapshot */
  createSnapshot: { method: "POST", path: "/v1/accounts/{account_id}/snapshots", body: "json" },
  /** Get snapshot */
  getSnapshot: { method: "GET", path: "/v1/accounts/{account_id}/snapshots/{snapshot_id}" },
  /** Delete snapshot */
  deleteSnapshot: { method: "DELETE", path: "/v1/accounts/{account_id}/snapshots/{snapshot_id}" },
  /** List AWS IAM role bindings */
  listAwsIamRoleBindings: {
    method: "GET",
    path: "/v1/accounts/{account_id}/awsIamRoleBindings",
    query: ["pageSize", "pageToken", "filter", "orderBy"],
    items: "awsIamRoleBindings",
  },
  /** Create AWS IAM role binding */
  createAwsIamRoleBinding: {
    method: "POST",
    path: "/v1/accounts/{account_id}/awsIamRoleBindings",
    body: "json",
  },
  /** Delete AWS IAM role binding */
  deleteAwsIamRoleBinding: {
    method: "POST",
    path: "/v1/accounts/{account_id}/awsIamRoleBindings:delete",
    body: "json",
    repeatable: true,
  },
  /** Create an account; the operator's */
  createAccount: {
    method: "POST",
    path: "/v1/accounts",
    query: ["accountId"],
    body: "json",
    newId: "accountId",
  },
  /** Update an account */
  updateAccount: { method: "PATCH", path: "/v1/accounts/{account_id}", query: ["updateMask"], body: "json" },
  /** Update API key */
  updateUserApiKey: {
    method: "PATCH",
    path: "/v1/accounts/{account_id}/users/{user_id}/apiKeys/{key_id}",
    query: ["updateMask"],
    body: "json",
  },
  /** What was used, by groups */
  queryUsage: {
    method: "GET",
    path: "/v1/accounts/{account_id}/usage",
    query: ["startTime", "endTime", "groupBy", "filter", "pageSize", "pageToken", "allAccounts", "readMask"],
  },
  /** The same as CSV, all groups */
  exportUsage: {
    method: "GET",
    path: "/v1/accounts/{account_id}/usage:export",
    query: ["startTime", "endTime", "groupBy", "filter", "allAccounts"],
    accept: "text/csv",
  },
  /** Balances, tier and spending */
  getBilling: { method: "GET", path: "/v1/accounts/{account_id}/billing", query: ["readMask"] },
  /** Set the terms; the operator's */
  updateBilling: { method: "PATCH", path: "/v1/accounts/{account_id}/billing", body: "json" },
  /** List invoices */
  listInvoices: {
    method: "GET",
    path: "/v1/accounts/{account_id}/invoices",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "invoices",
  },
  /** Get invoice */
  getInvoice: { method: "GET", path: "/v1/accounts/{account_id}/invoices/{invoice_id}", query: ["readMask"] },
  /** List payments */
  listPayments: {
    method: "GET",
    path: "/v1/accounts/{account_id}/payments",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "payments",
  },
  /** Book a payment; the operator's */
  createPayment: { method: "POST", path: "/v1/accounts/{account_id}/payments", body: "json" },
  /** Get payment */
  getPayment: {
    method: "GET",
    path: "/v1/accounts/{account_id}/payments/{transaction_id}",
    query: ["readMask"],
  },
  /** List credits */
  listCredits: {
    method: "GET",
    path: "/v1/accounts/{account_id}/credits",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "credits",
  },
  /** Book a credit; the operator's */
  createCredit: { method: "POST", path: "/v1/accounts/{account_id}/credits", body: "json" },
  /** Get credit */
  getCredit: {
    method: "GET",
    path: "/v1/accounts/{account_id}/credits/{transaction_id}",
    query: ["readMask"],
  },
  /** List adjustments */
  listAdjustments: {
    method: "GET",
    path: "/v1/accounts/{account_id}/adjustments",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "adjustments",
  },
  /** Book an adjustment; the operator's */
  createAdjustment: { method: "POST", path: "/v1/accounts/{account_id}/adjustments", body: "json" },
  /** Get adjustment */
  getAdjustment: {
    method: "GET",
    path: "/v1/accounts/{account_id}/adjustments/{transaction_id}",
    query: ["readMask"],
  },
  /** List transactions */
  listTransactions: {
    method: "GET",
    path: "/v1/accounts/{account_id}/transactions",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "transactions",
  },
  /** Get transaction */
  getTransaction: {
    method: "GET",
    path: "/v1/accounts/{account_id}/transactions/{transaction_id}",
    query: ["readMask"],
  },
  /** List requests that could change something */
  listAuditLogs: {
    method: "GET",
    path: "/v1/accounts/{account_id}/auditLogs",
    query: ["pageSize", "pageToken", "filter", "orderBy", "readMask"],
    items: "auditLogs",
  },
  /** Sell reserved capacity; the operator's */
  createReservation: {
    method: "POST",
    path: "/v1/accounts/{account_id}/reservations",
    query: ["reservationId"],
    body: "json",
    newId: "reservationId",
  },
  /** What happened to a deployment */
  listDeploymentEvents: {
    method: "GET",
    path: "/v1/accounts/{account_id}/deployments/{deployment_id}/events",
  },
  /** Chat completion */
  createChatCompletion: { method: "POST", path: "/inference/v1/chat/completions", body: "json" },
  /** Text completion */
  createCompletion: { method: "POST", path: "/inference/v1/completions", body: "json" },
  /** Embed text */
  createEmbedding: { method: "POST", path: "/inference/v1/embeddings", body: "json" },
  /** Rank documents */
  rerank: { method: "POST", path: "/inference/v1/rerank", body: "json" },
  /** List callable models */
  listInferenceModels: { method: "GET", path: "/inference/v1/models", query: ["page_size"] },
  /** Get one callable model */
  getInferenceModel: { method: "GET", path: "/inference/v1/models/{model}", greedy: true },
  /** Transcribe audio */
  createTranscription: {
    method: "POST",
    path: "/inference/v1/audio/transcriptions",
    body: "form",
    accept: "application/json, text/plain",
  },
  /** Translate audio to English */
  createTranslation: {
    method: "POST",
    path: "/inference/v1/audio/translations",
    body: "form",
    accept: "application/json, text/plain",
  },
  /** Streaming transcription (WebSocket) */
  streamTranscription: {
    method: "GET",
    path: "/inference/v1/audio/transcriptions/streaming",
    query: ["response_format", "language", "prompt", "temperature"],
  },
  /** Submit an audio call for later */
  createBatchRequest: { method: "POST", path: "/{path}", query: ["endpoint_id"], body: "form", greedy: true },
  /** Poll an audio batch */
  getBatchStatus: { method: "GET", path: "/v1/accounts/{account_id}/batch_job/{batch_id}" },
  /** Text to image */
  generateImageFromPrompt: {
    method: "POST",
    path: "/inference/v1/image_generation/accounts/{account_id}/models/{model_id}",
    body: "json",
    accept: "application/json, image/jpeg, image/png",
  },
  /** Image to image */
  generateImageFromImage: {
    method: "POST",
    path: "/inference/v1/image_generation/accounts/{account_id}/models/{model_id}/image_to_image",
    body: "form",
    accept: "application/json, image/jpeg, image/png",
  },
  /** ControlNet guided image */
  generateImageFromControlNet: {
    method: "POST",
    path: "/inference/v1/image_generation/accounts/{account_id}/models/{model_id}/control_net",
    body: "form",
    accept: "application/json, image/jpeg, image/png",
  },
  /** Edge map for ControlNet */
  cannyEdgeDetection: {
    method: "POST",
    path: "/inference/v1/image_generation/accounts/{account_id}/models/{model_id}/canny_edge_detection",
    body: "form",
    accept: "application/json, image/jpeg, image/png",
  },
  /** QR control image */
  generateQrCode: {
    method: "POST",
    path: "/inference/v1/image_generation/accounts/{account_id}/models/{model_id}/qr_code",
    body: "json",
    accept: "application/json, image/jpeg, image/png",
  },
  /** FLUX text to image */
  workflowTextToImage: {
    method: "POST",
    path: "/inference/v1/workflows/accounts/{account_id}/models/{model_id}/text_to_image",
    body: "json",
    accept: "application/json, image/jpeg, image/png",
  },
  /** Start an async image job */
  workflowSubmit: {
    method: "POST",
    path: "/inference/v1/workflows/accounts/{account_id}/models/{model_id}",
    body: "json",
  },
  /** Poll an async image job */
  workflowGetResult: {
    method: "POST",
    path: "/inference/v1/workflows/accounts/{account_id}/models/{model_id}/get_result",
    body: "json",
  },
  /** Anthropic-style message */
  createMessage: { method: "POST", path: "/inference/v1/messages", body: "json" },
  /** OpenAI-style response */
  createResponse: { method: "POST", path: "/inference/v1/responses", body: "json" },
  /** List stored responses */
  listResponses: { method: "GET", path: "/inference/v1/responses", query: ["limit", "after", "before"] },
  /** Get a stored response */
  getResponse: { method: "GET", path: "/inference/v1/responses/{response_id}" },
  /** Delete a stored response */
  deleteResponse: { method: "DELETE", path: "/inference/v1/responses/{response_id}" },
  /** Check a key, learn its account */
  verifyApiKey: { method: "GET", path: "/verifyApiKey" },
} as const;

/** Parameter and result types of each operation. */
export interface OperationTypes {
  listAccounts: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListAccountsResponse;
    item: Item<types.ListAccountsResponse, "accounts">;
  };
  validateModelConfig: { params: types.ValidateModelConfigRequest; result: types.Empty };
  getAccount: { params: { readMask?: string | undefined }; result: types.Account; named: true };
  listUsers: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListUsersResponse;
    item: Item<types.ListUsersResponse, "users">;
  };
  createUser: {
    params: WithRequired<types.User, "role"> & { userId?: types.ResourceId | undefined };
    result: types.User;
  };
  getUser: { params: { readMask?: string | undefined }; result: types.User; named: true };
  updateUser: { params: types.User & { updateMask?: string | undefined }; result: types.User; named: true };
  deleteUser: { params: object; result: types.Empty; named: true };
  listApiKeys: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListApiKeysResponse;
    item: Item<types.ListApiKeysResponse, "apiKeys">;
  };
  createApiKey: { params: types.CreateApiKeyRequest; result: types.ApiKey };
  deleteApiKey: { params: types.DeleteApiKeyRequest; result: types.Empty };
  listUserApiKeys: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListApiKeysResponse;
    item: Item<types.ListApiKeysResponse, "apiKeys">;
    named: true;
  };
  createUserApiKey: { params: types.CreateApiKeyRequest; result: types.ApiKey; named: true };
  deleteUserApiKey: { params: types.DeleteApiKeyRequest; result: types.Empty; named: true };
  getUserApiKey: { params: object; result: types.ApiKey; named: true };
  listModels: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListModelsResponse;
    item: Item<types.ListModelsResponse, "models">;
  };
  createModel: { params: types.CreateModelRequest; result: types.Model };
  getModel: { params: { readMask?: string | undefined }; result: types.Model; named: true };
  updateModel: {
    params: types.Model & { updateMask?: string | undefined };
    result: types.Model;
    named: true;
  };
  deleteModel: { params: object; result: types.Empty; named: true };
  getModelDownloadEndpoint: {
    params: { readMask?: string | undefined };
    result: types.GetModelDownloadEndpointResponse;
    named: true;
  };
  getModelUploadEndpoint: {
    params: types.GetModelUploadEndpointRequest;
    result: types.GetModelUploadEndpointResponse;
    named: true;
  };
  importModel: { params: types.ImportModelRequest; result: types.Operation; named: true };
  prepareModel: { params: types.PrepareModelRequest; result: types.Empty; named: true };
  validateModelUpload: {
    params: {
      skipHfConfigValidation?: boolean | undefined;
      trustRemoteCode?: boolean | undefined;
      configOnly?: boolean | undefined;
    };
    result: types.ValidateModelUploadResponse;
    named: true;
  };
  createModelVersion: {
    params: types.ModelVersion & { versionId?: string | undefined };
    result: types.ModelVersion;
    named: true;
  };
  getModelVersionCount: { params: object; result: types.GetModelVersionCountResponse; named: true };
  deployModelVersion: { params: types.DeployModelVersionRequest; result: types.Operation; named: true };
  listDatasets: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListDatasetsResponse;
    item: Item<types.ListDatasetsResponse, "datasets">;
  };
  createDataset: { params: types.CreateDatasetRequest; result: types.Dataset };
  getDataset: { params: { readMask?: string | undefined }; result: types.Dataset; named: true };
  updateDataset: {
    params: types.Dataset & { updateMask?: string | undefined };
    result: types.Dataset;
    named: true;
  };
  deleteDataset: { params: object; result: types.Empty; named: true };
  getDatasetDownloadEndpoint: {
    params: { readMask?: string | undefined; downloadLineage?: boolean | undefined };
    result: types.GetDatasetDownloadEndpointResponse;
    named: true;
  };
  getDatasetUploadEndpoint: {
    params: types.GetDatasetUploadEndpointRequest;
    result: types.GetDatasetUploadEndpointResponse;
    named: true;
  };
  splitDataset: { params: types.SplitDatasetRequest; result: types.SplitDatasetResponse; named: true };
  uploadDatasetFile: {
    params: {
      file: Blob;
    };
    result: types.FileUploadResponse;
    named: true;
  };
  validateDatasetUpload: { params: object; result: types.Empty; named: true };
  listDeployments: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      showDeleted?: boolean | undefined;
      readMask?: string | undefined;
    };
    result: types.ListDeploymentsResponse;
    item: Item<types.ListDeploymentsResponse, "deployments">;
  };
  createDeployment: {
    params: WithRequired<types.Deployment, "baseModel"> & {
      disableAutoDeploy?: boolean | undefined;
      disableSpeculativeDecoding?: boolean | undefined;
      deploymentId?: types.ResourceId | undefined;
      validateOnly?: boolean | undefined;
      skipShapeValidation?: boolean | undefined;
      skipImageTagValidation?: boolean | undefined;
    };
    result: types.Deployment;
  };
  getDeployment: { params: { readMask?: string | undefined }; result: types.Deployment; named: true };
  updateDeployment: {
    params: types.Deployment & { skipShapeValidation?: boolean | undefined; updateMask?: string | undefined };
    result: types.Deployment;
    named: true;
  };
  deleteDeployment: {
    params: { hard?: boolean | undefined; ignoreChecks?: boolean | undefined };
    result: types.Empty;
    named: true;
  };
  getDeploymentMetrics: {
    params: { timeRange?: string | undefined; readMask?: string | undefined };
    result: types.GetDeploymentMetricsResponse;
    named: true;
  };
  scaleDeployment: { params: types.ScaleDeploymentRequest; result: types.Empty; named: true };
  undeleteDeployment: { params: object; result: types.Deployment; named: true };
  getLedger: { params: object; result: types.GetLedgerResponse; named: true };
  resetLedger: { params: object; result: types.Empty; named: true };
  listDeploymentShards: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListDeploymentShardsResponse;
    item: Item<types.ListDeploymentShardsResponse, "deploymentShards">;
    named: true;
  };
  getTerminationMessage: { params: object; result: types.GetTerminationMessageResponse; named: true };
  listDeployedModels: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListDeployedModelsResponse;
    item: Item<types.ListDeployedModelsResponse, "deployedModels">;
  };
  createDeployedModel: {
    params: types.DeployedModel & { replaceMergedAddon?: boolean | undefined };
    result: types.DeployedModel;
  };
  getDeployedModel: { params: { readMask?: string | undefined }; result: types.DeployedModel; named: true };
  updateDeployedModel: {
    params: types.DeployedModel & { updateMask?: string | undefined };
    result: types.DeployedModel;
    named: true;
  };
  deleteDeployedModel: { params: object; result: types.Empty; named: true };
  listDeploymentShapes: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
      targetModel?: string | undefined;
    };
    result: types.ListDeploymentShapesResponse;
    item: Item<types.ListDeploymentShapesResponse, "deploymentShapes">;
  };
  createDeploymentShape: {
    params: WithRequired<types.DeploymentShape, "baseModel"> & {
      deploymentShapeId?: types.ResourceId | undefined;
    };
    result: types.DeploymentShape;
  };
  getDeploymentShape: {
    params: { readMask?: string | undefined; skipShapeValidation?: boolean | undefined };
    result: types.DeploymentShape;
    named: true;
  };
  updateDeploymentShape: {
    params: types.DeploymentShape & {
      fromLatestValidated?: boolean | undefined;
      updateMask?: string | undefined;
    };
    result: types.DeploymentShape;
    named: true;
  };
  deleteDeploymentShape: { params: object; result: types.Empty; named: true };
  listDeploymentShapeVersions: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListDeploymentShapeVersionsResponse;
    item: Item<types.ListDeploymentShapeVersionsResponse, "deploymentShapeVersions">;
    named: true;
  };
  getDeploymentShapeVersion: {
    params: { readMask?: string | undefined };
    result: types.DeploymentShapeVersion;
    named: true;
  };
  updateDeploymentShapeVersion: {
    params: types.DeploymentShapeVersion & { updateMask?: string | undefined };
    result: types.DeploymentShapeVersion;
    named: true;
  };
  listSupervisedFineTuningJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListSupervisedFineTuningJobsResponse;
    item: Item<types.ListSupervisedFineTuningJobsResponse, "supervisedFineTuningJobs">;
  };
  createSupervisedFineTuningJob: {
    params: WithRequired<types.SupervisedFineTuningJob, "dataset"> & {
      supervisedFineTuningJobId?: types.ResourceId | undefined;
    };
    result: types.SupervisedFineTuningJob;
  };
  estimateSupervisedFineTuningJobCost: {
    params: WithRequired<types.SupervisedFineTuningJob, "dataset">;
    result: types.EstimateSupervisedFineTuningJobCostResponse;
  };
  getSupervisedFineTuningJob: {
    params: { readMask?: string | undefined };
    result: types.SupervisedFineTuningJob;
    named: true;
  };
  deleteSupervisedFineTuningJob: { params: object; result: types.Empty; named: true };
  cancelSupervisedFineTuningJob: { params: object; result: types.Empty; named: true };
  resumeSupervisedFineTuningJob: { params: object; result: types.SupervisedFineTuningJob; named: true };
  listReinforcementFineTuningJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListReinforcementFineTuningJobsResponse;
    item: Item<types.ListReinforcementFineTuningJobsResponse, "reinforcementFineTuningJobs">;
  };
  createReinforcementFineTuningJob: {
    params: WithRequired<types.ReinforcementFineTuningJob, "dataset" | "evaluator"> & {
      reinforcementFineTuningJobId?: types.ResourceId | undefined;
    };
    result: types.ReinforcementFineTuningJob;
  };
  getReinforcementFineTuningJob: {
    params: { readMask?: string | undefined };
    result: types.ReinforcementFineTuningJob;
    named: true;
  };
  updateReinforcementFineTuningJob: {
    params: types.ReinforcementFineTuningJob & { updateMask?: string | undefined };
    result: types.ReinforcementFineTuningJob;
    named: true;
  };
  deleteReinforcementFineTuningJob: { params: object; result: types.Empty; named: true };
  cancelReinforcementFineTuningJob: { params: object; result: types.Empty; named: true };
  debugReinforcementFineTuningJob: {
    params: object;
    result: types.DebugReinforcementFineTuningJobResponse;
    named: true;
  };
  getReinforcementFineTuningJobMetricsFileEndpoint: {
    params: object;
    result: types.GetReinforcementFineTuningJobMetricsFileResponse;
    named: true;
  };
  resumeReinforcementFineTuningJob: { params: object; result: types.ReinforcementFineTuningJob; named: true };
  listRlorTrainerJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListRlorTrainerJobsResponse;
    item: Item<types.ListRlorTrainerJobsResponse, "rlorTrainerJobs">;
  };
  createRlorTrainerJob: {
    params: types.RlorTrainerJob & {
      rlorTrainerJobId?: types.ResourceId | undefined;
      trainingShape?: string | undefined;
    };
    result: types.RlorTrainerJob;
  };
  getRlorTrainerJob: { params: { readMask?: string | undefined }; result: types.RlorTrainerJob; named: true };
  deleteRlorTrainerJob: { params: object; result: types.Empty; named: true };
  cancelRlorTrainerJob: { params: object; result: types.Empty; named: true };
  executeRlorTrainStep: { params: types.ExecuteRlorTrainStepRequest; result: types.Empty; named: true };
  resumeRlorTrainerJob: { params: object; result: types.RlorTrainerJob; named: true };
  listRlorTrainerJobCheckpoints: {
    params: { pageSize?: number | undefined; pageToken?: string | undefined };
    result: types.ListRlorTrainerJobCheckpointsResponse;
    item: Item<types.ListRlorTrainerJobCheckpointsResponse, "checkpoints">;
    named: true;
  };
  getRlorTrainerJobPublicLogs: {
    params: object;
    result: types.GetRlorTrainerJobPublicLogsResponse;
    named: true;
  };
  listDpoJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListDpoJobsResponse;
    item: Item<types.ListDpoJobsResponse, "dpoJobs">;
  };
  createDpoJob: {
    params: WithRequired<types.DpoJob, "dataset"> & { dpoJobId?: types.ResourceId | undefined };
    result: types.DpoJob;
  };
  getDpoJob: { params: { readMask?: string | undefined }; result: types.DpoJob; named: true };
  deleteDpoJob: { params: object; result: types.Empty; named: true };
  cancelDpoJob: { params: object; result: types.Empty; named: true };
  getDpoJobMetricsFileEndpoint: { params: object; result: types.GetDpoJobMetricsFileResponse; named: true };
  resumeDpoJob: { params: object; result: types.DpoJob; named: true };
  listEvaluators: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListEvaluatorsResponse;
    item: Item<types.ListEvaluatorsResponse, "evaluators">;
  };
  createEvaluator: { params: types.CreateEvaluatorRequest; result: types.Evaluator };
  previewEvaluator: { params: types.PreviewEvaluatorRequest; result: types.PreviewEvaluatorResponse };
  createEvaluatorV2: { params: types.CreateEvaluatorV2Request; result: types.Evaluator };
  getEvaluator: { params: { readMask?: string | undefined }; result: types.Evaluator; named: true };
  updateEvaluator: {
    params: types.Evaluator & { prepareCodeUpload?: boolean | undefined; updateMask?: string | undefined };
    result: types.Evaluator;
    named: true;
  };
  deleteEvaluator: { params: object; result: types.Empty; named: true };
  getEvaluatorBuildLogEndpoint: {
    params: { readMask?: string | undefined };
    result: types.GetEvaluatorBuildLogEndpointResponse;
    named: true;
  };
  getEvaluatorSourceCodeEndpoint: {
    params: { readMask?: string | undefined };
    result: types.GetEvaluatorSourceCodeEndpointResponse;
    named: true;
  };
  getEvaluatorUploadEndpoint: {
    params: types.GetEvaluatorUploadEndpointRequest;
    result: types.GetEvaluatorUploadEndpointResponse;
    named: true;
  };
  validateEvaluatorUpload: { params: object; result: types.Empty; named: true };
  listEvaluatorVersions: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListEvaluatorVersionsResponse;
    item: Item<types.ListEvaluatorVersionsResponse, "evaluatorVersions">;
    named: true;
  };
  getEvaluatorVersion: {
    params: { readMask?: string | undefined };
    result: types.EvaluatorVersion;
    named: true;
  };
  deleteEvaluatorVersion: { params: object; result: types.Empty; named: true };
  aliasEvaluatorVersion: {
    params: types.AliasEvaluatorVersionRequest;
    result: types.EvaluatorVersion;
    named: true;
  };
  rollbackEvaluator: { params: object; result: types.EvaluatorVersion; named: true };
  listEvaluationJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListEvaluationJobsResponse;
    item: Item<types.ListEvaluationJobsResponse, "evaluationJobs">;
  };
  createEvaluationJob: { params: types.CreateEvaluationJobRequest; result: types.EvaluationJob };
  getEvaluationJob: { params: { readMask?: string | undefined }; result: types.EvaluationJob; named: true };
  deleteEvaluationJob: { params: object; result: types.Empty; named: true };
  cancelEvaluationJob: { params: object; result: types.Empty; named: true };
  getEvaluationJobExecutionLogEndpoint: {
    params: object;
    result: types.GetEvaluationJobExecutionLogEndpointResponse;
    named: true;
  };
  listBatchInferenceJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListBatchInferenceJobsResponse;
    item: Item<types.ListBatchInferenceJobsResponse, "batchInferenceJobs">;
  };
  createBatchInferenceJob: {
    params: types.BatchInferenceJob & { batchInferenceJobId?: types.ResourceId | undefined };
    result: types.BatchInferenceJob;
  };
  getBatchInferenceJob: {
    params: { readMask?: string | undefined };
    result: types.BatchInferenceJob;
    named: true;
  };
  deleteBatchInferenceJob: { params: object; result: types.Empty; named: true };
  cancelBatchInferenceJob: { params: object; result: types.Empty; named: true };
  listSecrets: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListSecretsResponse;
    item: Item<types.ListSecretsResponse, "secrets">;
  };
  createSecret: { params: WithRequired<types.Secret, "name" | "keyName">; result: types.Secret };
  getSecret: { params: { readMask?: string | undefined }; result: types.Secret; named: true };
  updateSecret: {
    params: types.Secret & { updateMask?: string | undefined };
    result: types.Secret;
    named: true;
  };
  deleteSecret: { params: object; result: types.Empty; named: true };
  listQuotas: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListQuotasResponse;
    item: Item<types.ListQuotasResponse, "quotas">;
  };
  getQuota: { params: { readMask?: string | undefined }; result: types.Quota; named: true };
  updateQuota: {
    params: types.Quota & { allowMissing?: boolean | undefined; updateMask?: string | undefined };
    result: types.Quota;
    named: true;
  };
  listReservations: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListReservationsResponse;
    item: Item<types.ListReservationsResponse, "reservations">;
  };
  getReservation: { params: { readMask?: string | undefined }; result: types.Reservation; named: true };
  listBatchJobs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListBatchJobsResponse;
    item: Item<types.ListBatchJobsResponse, "batchJobs">;
  };
  createBatchJob: { params: WithRequired<types.BatchJob, "nodePoolId">; result: types.BatchJob };
  batchDeleteBatchJobs: { params: types.BatchDeleteBatchJobsRequest; result: types.Empty };
  getBatchJob: { params: object; result: types.BatchJob; named: true };
  updateBatchJob: {
    params: types.BatchJob & { updateMask?: string | undefined };
    result: types.BatchJob;
    named: true;
  };
  deleteBatchJob: { params: object; result: types.Empty; named: true };
  cancelBatchJob: { params: object; result: types.Empty; named: true };
  getBatchJobLogs: {
    params: {
      ranks?: readonly number[] | undefined;
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      startTime?: string | undefined;
      filter?: string | undefined;
      startFromHead?: boolean | undefined;
    };
    result: types.GetBatchJobLogsResponse;
    item: Item<types.GetBatchJobLogsResponse, "entries">;
    named: true;
  };
  listClusters: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListClustersResponse;
    item: Item<types.ListClustersResponse, "clusters">;
  };
  createCluster: { params: types.CreateClusterRequest; result: types.Cluster };
  getCluster: { params: { readMask?: string | undefined }; result: types.Cluster; named: true };
  updateCluster: {
    params: types.Cluster & { updateMask?: string | undefined };
    result: types.Cluster;
    named: true;
  };
  deleteCluster: { params: object; result: types.Empty; named: true };
  getClusterConnectionInfo: {
    params: { readMask?: string | undefined };
    result: types.ClusterConnectionInfo;
    named: true;
  };
  listEnvironments: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListEnvironmentsResponse;
    item: Item<types.ListEnvironmentsResponse, "environments">;
  };
  createEnvironment: { params: types.CreateEnvironmentRequest; result: types.Environment };
  batchDeleteEnvironments: { params: types.BatchDeleteEnvironmentsRequest; result: types.Empty };
  getEnvironment: { params: object; result: types.Environment; named: true };
  updateEnvironment: {
    params: types.Environment & { updateMask?: string | undefined };
    result: types.Environment;
    named: true;
  };
  deleteEnvironment: { params: object; result: types.Empty; named: true };
  connectEnvironment: { params: types.ConnectEnvironmentRequest; result: types.Empty; named: true };
  disconnectEnvironment: { params: types.DisconnectEnvironmentRequest; result: types.Empty; named: true };
  listNodePools: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListNodePoolsResponse;
    item: Item<types.ListNodePoolsResponse, "nodePools">;
  };
  createNodePool: { params: types.CreateNodePoolRequest; result: types.NodePool };
  batchDeleteNodePools: { params: types.BatchDeleteNodePoolsRequest; result: types.Empty };
  getNodePool: { params: object; result: types.NodePool; named: true };
  updateNodePool: {
    params: types.NodePool & { updateMask?: string | undefined };
    result: types.NodePool;
    named: true;
  };
  deleteNodePool: { params: object; result: types.Empty; named: true };
  getNodePoolStats: { params: object; result: types.NodePoolStats; named: true };
  listNodePoolBindings: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListNodePoolBindingsResponse;
    item: Item<types.ListNodePoolBindingsResponse, "nodePoolBindings">;
  };
  createNodePoolBinding: {
    params: WithRequired<types.NodePoolBinding, "principal">;
    result: types.NodePoolBinding;
  };
  deleteNodePoolBinding: {
    params: WithRequired<types.NodePoolBinding, "nodePoolId" | "principal">;
    result: types.Empty;
  };
  listSnapshots: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListSnapshotsResponse;
    item: Item<types.ListSnapshotsResponse, "snapshots">;
  };
  createSnapshot: { params: types.Snapshot; result: types.Snapshot };
  getSnapshot: { params: object; result: types.Snapshot; named: true };
  deleteSnapshot: { params: object; result: types.Empty; named: true };
  listAwsIamRoleBindings: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
    };
    result: types.ListAwsIamRoleBindingsResponse;
    item: Item<types.ListAwsIamRoleBindingsResponse, "awsIamRoleBindings">;
  };
  createAwsIamRoleBinding: {
    params: WithRequired<types.AwsIamRoleBinding, "principal" | "role">;
    result: types.AwsIamRoleBinding;
  };
  deleteAwsIamRoleBinding: {
    params: WithRequired<types.AwsIamRoleBinding, "principal" | "role">;
    result: types.Empty;
  };
  createAccount: {
    params: types.Account & {
      /** Default: made from the address. */ accountId?: string | undefined;
    };
    result: types.Account;
  };
  updateAccount: {
    params: types.Account & { updateMask?: string | undefined };
    result: types.Account;
    named: true;
  };
  updateUserApiKey: {
    params: types.StatefulApiKey & { updateMask?: string | undefined };
    result: types.StatefulApiKey;
    named: true;
  };
  queryUsage: {
    params: {
      /** Full hours. Default: the beginning of this month, UTC. */ startTime?: string | undefined;
      /** Exclusive. Default: the end of this hour. */
      endTime?: string | undefined;
      /** Without any: one row. */
      groupBy?: readonly types.UsageGrouping[] | undefined;
      filter?: string | undefined;
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      /** Of every account; the operator's. */
      allAccounts?: boolean | undefined;
      readMask?: string | undefined;
    };
    result: types.UsageReport;
  };
  exportUsage: {
    params: {
      startTime?: string | undefined;
      endTime?: string | undefined;
      groupBy?: readonly types.UsageGrouping[] | undefined;
      filter?: string | undefined;
      allAccounts?: boolean | undefined;
    };
    result: Blob;
  };
  getBilling: { params: { readMask?: string | undefined }; result: types.Billing };
  updateBilling: { params: types.BillingTerms; result: types.Billing };
  listInvoices: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListInvoicesResponse;
    item: Item<types.ListInvoicesResponse, "invoices">;
  };
  getInvoice: { params: { readMask?: string | undefined }; result: types.Invoice; named: true };
  listPayments: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListPaymentsResponse;
    item: Item<types.ListPaymentsResponse, "payments">;
  };
  createPayment: { params: types.Booking; result: types.Transaction };
  getPayment: { params: { readMask?: string | undefined }; result: types.Transaction; named: true };
  listCredits: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListCreditsResponse;
    item: Item<types.ListCreditsResponse, "credits">;
  };
  createCredit: { params: types.CreditBooking; result: types.Transaction };
  getCredit: { params: { readMask?: string | undefined }; result: types.Transaction; named: true };
  listAdjustments: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListAdjustmentsResponse;
    item: Item<types.ListAdjustmentsResponse, "adjustments">;
  };
  createAdjustment: { params: types.Booking; result: types.Transaction };
  getAdjustment: { params: { readMask?: string | undefined }; result: types.Transaction; named: true };
  listTransactions: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListTransactionsResponse;
    item: Item<types.ListTransactionsResponse, "transactions">;
  };
  getTransaction: { params: { readMask?: string | undefined }; result: types.Transaction; named: true };
  listAuditLogs: {
    params: {
      pageSize?: number | undefined;
      pageToken?: string | undefined;
      filter?: string | undefined;
      orderBy?: string | undefined;
      readMask?: string | undefined;
    };
    result: types.ListAuditLogsResponse;
    item: Item<types.ListAuditLogsResponse, "auditLogs">;
  };
  createReservation: {
    params: types.Reservation & { reservationId?: string | undefined };
    result: types.Reservation;
  };
  listDeploymentEvents: { params: object; result: types.DeploymentEvents; named: true };
  createChatCompletion: { params: types.ChatCompletionRequest; result: types.ChatCompletionResponse };
  createCompletion: { params: types.CompletionRequest; result: types.CompletionResponse };
  createEmbedding: { params: types.EmbeddingRequest; result: types.EmbeddingResponse };
  rerank: { params: types.RerankRequest; result: types.RerankResponse };
  listInferenceModels: { params: { page_size?: number | undefined }; result: types.ModelList };
  getInferenceModel: { params: object; result: types.ModelEntry; named: true };
  createTranscription: {
    params: types.TranscriptionRequest;
    result: types.TranscriptionVerbose | types.TranscriptionJson | string;
  };
  createTranslation: {
    params: types.TranslationRequest;
    result: types.TranscriptionVerbose | types.TranscriptionJson | string;
  };
  streamTranscription: {
    params: {
      response_format?: string | undefined;
      language?: types.AudioLanguage | undefined;
      prompt?: string | undefined;
      temperature?: number | undefined;
    };
    result: Record<string, never>;
  };
  createBatchRequest: {
    params: (types.TranscriptionRequest | types.TranslationRequest) & {
      /** Backend; its presence selects batch mode. */
      endpoint_id: "audio-prod" | "audio-turbo" | (string & {});
    };
    result: types.BatchSubmitResponse;
    named: true;
  };
  getBatchStatus: { params: object; result: types.BatchStatusResponse; named: true };
  generateImageFromPrompt: {
    params: types.ImageFromTextRequest;
    result: readonly types.ImageJson[] | Blob;
    named: true;
  };
  generateImageFromImage: {
    params: types.ImageFromImageRequest;
    result: readonly types.ImageJson[] | Blob;
    named: true;
  };
  generateImageFromControlNet: {
    params: types.ImageControlNetRequest;
    result: readonly types.ImageJson[] | Blob;
    named: true;
  };
  cannyEdgeDetection: { params: types.CannyRequest; result: readonly types.ImageJson[] | Blob; named: true };
  generateQrCode: { params: types.QrCodeRequest; result: readonly types.ImageJson[] | Blob; named: true };
  workflowTextToImage: {
    params: types.WorkflowTextToImageRequest;
    result: types.ImageJson | Record<string, unknown> | Blob;
    named: true;
  };
  workflowSubmit: { params: types.WorkflowSubmitRequest; result: types.WorkflowSubmitResponse; named: true };
  workflowGetResult: {
    params: types.WorkflowResultRequest;
    result: types.WorkflowResultResponse;
    named: true;
  };
  createMessage: { params: types.AnthropicCreateMessageParams; result: types.AnthropicMessage };
  createResponse: { params: types.CreateResponseRequest; result: types.ResponseObject };
  listResponses: {
    params: { limit?: number | undefined; after?: string | undefined; before?: string | undefined };
    result: types.ResponseObjectList;
  };
  getResponse: { params: object; result: types.ResponseObject; named: true };
  deleteResponse: { params: object; result: types.DeleteResponseResult; named: true };
  verifyApiKey: { params: object; result: Record<string, unknown> };
}
