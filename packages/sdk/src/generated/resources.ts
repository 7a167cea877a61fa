// Generated from contract/*.openapi.json by scripts/generate.ts. Don't edit.

/** Maps the client's resources and methods to operations. */
export const RESOURCES = {
  accounts: {
    /** List accounts · `GET /v1/accounts` */
    list: "listAccounts",
    /** Validate model config · `POST /v1/validateModelConfig` */
    validateModelConfig: "validateModelConfig",
    /** Get account · `GET /v1/accounts/{account_id}` */
    get: "getAccount",
    /** Create an account; the operator's · `POST /v1/accounts` */
    create: "createAccount",
    /** Update an account · `PATCH /v1/accounts/{account_id}` */
    update: "updateAccount",
  },
  users: {
    /** List users · `GET /v1/accounts/{account_id}/users` */
    list: "listUsers",
    /** Create user · `POST /v1/accounts/{account_id}/users` */
    create: "createUser",
    /** Get user · `GET /v1/accounts/{account_id}/users/{user_id}` */
    get: "getUser",
    /** Update user · `PATCH /v1/accounts/{account_id}/users/{user_id}` */
    update: "updateUser",
    /** Remove a user · `DELETE /v1/accounts/{account_id}/users/{user_id}` */
    delete: "deleteUser",
  },
  apiKeys: {
    /** List API keys · `GET /v1/accounts/{account_id}/apiKeys` */
    list: "listApiKeys",
    /** Create API key · `POST /v1/accounts/{account_id}/apiKeys` */
    create: "createApiKey",
    /** Delete API key · `POST /v1/accounts/{account_id}/apiKeys:delete` */
    delete: "deleteApiKey",
    /** List user API keys · `GET /v1/accounts/{account_id}/users/{user_id}/apiKeys` */
    listForUser: "listUserApiKeys",
    /** Create user API key · `POST /v1/accounts/{account_id}/users/{user_id}/apiKeys` */
    createForUser: "createUserApiKey",
    /** Delete user API key · `POST /v1/accounts/{account_id}/users/{user_id}/apiKeys:delete` */
    deleteForUser: "deleteUserApiKey",
    /** Get one API key · `GET /v1/accounts/{account_id}/users/{user_id}/apiKeys/{key_id}` */
    getForUser: "getUserApiKey",
    /** Update API key · `PATCH /v1/accounts/{account_id}/users/{user_id}/apiKeys/{key_id}` */
    updateForUser: "updateUserApiKey",
  },
  models: {
    /** List models · `GET /v1/accounts/{account_id}/models` */
    list: "listModels",
    /** Create model · `POST /v1/accounts/{account_id}/models` */
    create: "createModel",
    /** Get model · `GET /v1/accounts/{account_id}/models/{model_id}` */
    get: "getModel",
    /** Update model · `PATCH /v1/accounts/{account_id}/models/{model_id}` */
    update: "updateModel",
    /** Delete model · `DELETE /v1/accounts/{account_id}/models/{model_id}` */
    delete: "deleteModel",
    /** Get model download enDPOint · `GET /v1/accounts/{account_id}/models/{model_id}:getDownloadEndpoint` */
    getDownloadEndpoint: "getModelDownloadEndpoint",
    /** Get model upload enDPOint · `POST /v1/accounts/{account_id}/models/{model_id}:getUploadEndpoint` */
    getUploadEndpoint: "getModelUploadEndpoint",
    /** Copy weights from cloud storage · `POST /v1/accounts/{account_id}/models/{model_id}:import` */
    import: "importModel",
    /** Quantize to another precision · `POST /v1/accounts/{account_id}/models/{model_id}:prepare` */
    prepare: "prepareModel",
    /** Check uploaded files, mark READY · `GET /v1/accounts/{account_id}/models/{model_id}:validateUpload` */
    validateUpload: "validateModelUpload",
    /** Create model version · `POST /v1/accounts/{account_id}/models/{model_id}/versions` */
    createVersion: "createModelVersion",
    /** Get model version count · `GET /v1/accounts/{account_id}/models/{model_id}/versions:count` */
    getVersionCount: "getModelVersionCount",
    /** Deploy model version · `POST /v1/accounts/{account_id}/models/{model_id}/versions/{version_id}:deploy` */
    deployVersion: "deployModelVersion",
  },
  datasets: {
    /** List datasets · `GET /v1/accounts/{account_id}/datasets` */
    list: "listDatasets",
    /** Create dataset · `POST /v1/accounts/{account_id}/datasets` */
    create: "createDataset",
    /** Get dataset · `GET /v1/accounts/{account_id}/datasets/{dataset_id}` */
    get: "getDataset",
    /** Update dataset · `PATCH /v1/accounts/{account_id}/datasets/{dataset_id}` */
    update: "updateDataset",
    /** Delete dataset · `DELETE /v1/accounts/{account_id}/datasets/{dataset_id}` */
    delete: "deleteDataset",
    /** Get dataset download enDPOint · `GET /v1/accounts/{account_id}/datasets/{dataset_id}:getDownloadEndpoint` */
    getDownloadEndpoint: "getDatasetDownloadEndpoint",
    /** Get dataset upload enDPOint · `POST /v1/accounts/{account_id}/datasets/{dataset_id}:getUploadEndpoint` */
    getUploadEndpoint: "getDatasetUploadEndpoint",
    /** Split dataset · `POST /v1/accounts/{account_id}/datasets/{dataset_id}:splitDataset` */
    split: "splitDataset",
    /** Upload one file, up to 150 MB · `POST /v1/accounts/{account_id}/datasets/{dataset_id}:upload` */
    uploadFile: "uploadDatasetFile",
    /** Check uploaded rows, mark READY · `POST /v1/accounts/{account_id}/datasets/{dataset_id}:validateUpload` */
    validateUpload: "validateDatasetUpload",
  },
  deployments: {
    /** List deployments · `GET /v1/accounts/{account_id}/deployments` */
    list: "listDeployments",
    /** Create deployment · `POST /v1/accounts/{account_id}/deployments` */
    create: "createDeployment",
    /** Get deployment · `GET /v1/accounts/{account_id}/deployments/{deployment_id}` */
    get: "getDeployment",
    /** Update deployment · `PATCH /v1/accounts/{account_id}/deployments/{deployment_id}` */
    update: "updateDeployment",
    /** Delete deployment · `DELETE /v1/accounts/{account_id}/deployments/{deployment_id}` */
    delete: "deleteDeployment",
    /** Get deployment metrics · `GET /v1/accounts/{account_id}/deployments/{deployment_id}:metrics` */
    getMetrics: "getDeploymentMetrics",
    /** Set replica count directly · `PATCH /v1/accounts/{account_id}/deployments/{deployment_id}:scale` */
    scale: "scaleDeployment",
    /** Restore a DELETED or FAILED deployment · `POST /v1/accounts/{account_id}/deployments/{deployment_id}:undelete` */
    undelete: "undeleteDeployment",
    /** Get ledger · `GET /v1/accounts/{account_id}/deployments/{deployment_id}/ledger` */
    getLedger: "getLedger",
    /** Reset ledger · `DELETE /v1/accounts/{account_id}/deployments/{deployment_id}/ledger` */
    resetLedger: "resetLedger",
    /** List deployment shards · `GET /v1/accounts/{account_id}/deployments/{deployment_id}/shards` */
    listShards: "listDeploymentShards",
    /** Get termination message · `GET /v1/accounts/{account_id}/deployments/{deployment_id}/terminationMessage` */
    getTerminationMessage: "getTerminationMessage",
    /** What happened to a deployment · `GET /v1/accounts/{account_id}/deployments/{deployment_id}/events` */
    listEvents: "listDeploymentEvents",
  },
  deployedModels: {
    /** List loaded LoRA addons · `GET /v1/accounts/{account_id}/deployedModels` */
    list: "listDeployedModels",
    /** Load a LoRA addon · `POST /v1/accounts/{account_id}/deployedModels` */
    create: "createDeployedModel",
    /** Get a loaded LoRA addon · `GET /v1/accounts/{account_id}/deployedModels/{deployed_model_id}` */
    get: "getDeployedModel",
    /** Set default, public or labels · `PATCH /v1/accounts/{account_id}/deployedModels/{deployed_model_id}` */
    update: "updateDeployedModel",
    /** Unload a LoRA addon · `DELETE /v1/accounts/{account_id}/deployedModels/{deployed_model_id}` */
    delete: "deleteDeployedModel",
  },
  deploymentShapes: {
    /** List deployment shapes · `GET /v1/accounts/{account_id}/deploymentShapes` */
    list: "listDeploymentShapes",
    /** Create deployment shape · `POST /v1/accounts/{account_id}/deploymentShapes` */
    create: "createDeploymentShape",
    /** Get deployment shape · `GET /v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}` */
    get: "getDeploymentShape",
    /** Update deployment shape · `PATCH /v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}` */
    update: "updateDeploymentShape",
    /** Delete deployment shape · `DELETE /v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}` */
    delete: "deleteDeploymentShape",
    /** List deployment shape versions · `GET /v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions` */
    listVersions: "listDeploymentShapeVersions",
    /** Get deployment shape version · `GET /v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions/{version_id}` */
    getVersion: "getDeploymentShapeVersion",
    /** Update deployment shape version · `PATCH /v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions/{version_id}` */
    updateVersion: "updateDeploymentShapeVersion",
  },
  supervisedFineTuningJobs: {
    /** List supervised fine tuning jobs · `GET /v1/accounts/{account_id}/supervisedFineTuningJobs` */
    list: "listSupervisedFineTuningJobs",
    /** Create supervised fine tuning job · `POST /v1/accounts/{account_id}/supervisedFineTuningJobs` */
    create: "createSupervisedFineTuningJob",
    /** Estimate supervised fine tuning job cost · `POST /v1/accounts/{account_id}/supervisedFineTuningJobs:estimateCost` */
    estimateCost: "estimateSupervisedFineTuningJobCost",
    /** Get supervised fine tuning job · `GET /v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}` */
    get: "getSupervisedFineTuningJob",
    /** Delete supervised fine tuning job · `DELETE /v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}` */
    delete: "deleteSupervisedFineTuningJob",
    /** Cancel supervised fine tuning job · `POST /v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}:cancel` */
    cancel: "cancelSupervisedFineTuningJob",
    /** Resume supervised fine tuning job · `POST /v1/accounts/{account_id}/supervisedFineTuningJobs/{supervised_fine_tuning_job_id}:resume` */
    resume: "resumeSupervisedFineTuningJob",
  },
  reinforcementFineTuningJobs: {
    /** List reinforcement fine tuning jobs · `GET /v1/accounts/{account_id}/reinforcementFineTuningJobs` */
    list: "listReinforcementFineTuningJobs",
    /** Create reinforcement fine tuning job · `POST /v1/accounts/{account_id}/reinforcementFineTuningJobs` */
    create: "createReinforcementFineTuningJob",
    /** Get reinforcement fine tuning job · `GET /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}` */
    get: "getReinforcementFineTuningJob",
    /** Update reinforcement fine tuning job · `PATCH /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}` */
    update: "updateReinforcementFineTuningJob",
    /** Delete reinforcement fine tuning job · `DELETE /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}` */
    delete: "deleteReinforcementFineTuningJob",
    /** Cancel reinforcement fine tuning job · `POST /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:cancel` */
    cancel: "cancelReinforcementFineTuningJob",
    /** Debug reinforcement fine tuning job · `POST /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:debug` */
    debug: "debugReinforcementFineTuningJob",
    /** Get reinforcement fine tuning job metrics file enDPOint · `GET /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:getMetricsFileEndpoint` */
    getMetricsFileEndpoint: "getReinforcementFineTuningJobMetricsFileEndpoint",
    /** Resume reinforcement fine tuning job · `POST /v1/accounts/{account_id}/reinforcementFineTuningJobs/{reinforcement_fine_tuning_job_id}:resume` */
    resume: "resumeReinforcementFineTuningJob",
  },
  rlorTrainerJobs: {
    /** List reinforcement fine-tuning steps · `GET /v1/accounts/{account_id}/rlorTrainerJobs` */
    list: "listRlorTrainerJobs",
    /** Create a reinforcement fine-tuning step · `POST /v1/accounts/{account_id}/rlorTrainerJobs` */
    create: "createRlorTrainerJob",
    /** Get a reinforcement fine-tuning step · `GET /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}` */
    get: "getRlorTrainerJob",
    /** Delete a reinforcement fine-tuning step · `DELETE /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}` */
    delete: "deleteRlorTrainerJob",
    /** Cancel rlor trainer job · `POST /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}:cancel` */
    cancel: "cancelRlorTrainerJob",
    /** Run one keep-alive training step · `POST /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}:executeTrainStep` */
    executeTrainStep: "executeRlorTrainStep",
    /** Resume rlor trainer job · `POST /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}:resume` */
    resume: "resumeRlorTrainerJob",
    /** List rlor trainer job checkpoints · `GET /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}/checkpoints` */
    listCheckpoints: "listRlorTrainerJobCheckpoints",
    /** Get rlor trainer job public logs · `GET /v1/accounts/{account_id}/rlorTrainerJobs/{rlor_trainer_job_id}/publicLogs` */
    getPublicLogs: "getRlorTrainerJobPublicLogs",
  },
  dpoJobs: {
    /** List DPO jobs · `GET /v1/accounts/{account_id}/dpoJobs` */
    list: "listDpoJobs",
    /** Create DPO job · `POST /v1/accounts/{account_id}/dpoJobs` */
    create: "createDpoJob",
    /** Get DPO job · `GET /v1/accounts/{account_id}/dpoJobs/{dpo_job_id}` */
    get: "getDpoJob",
    /** Delete DPO job · `DELETE /v1/accounts/{account_id}/dpoJobs/{dpo_job_id}` */
    delete: "deleteDpoJob",
    /** Cancel DPO job · `POST /v1/accounts/{account_id}/dpoJobs/{dpo_job_id}:cancel` */
    cancel: "cancelDpoJob",
    /** Get DPO job metrics file enDPOint · `GET /v1/accounts/{account_id}/dpoJobs/{dpo_job_id}:getMetricsFileEndpoint` */
    getMetricsFileEndpoint: "getDpoJobMetricsFileEndpoint",
    /** Resume DPO job · `POST /v1/accounts/{account_id}/dpoJobs/{dpo_job_id}:resume` */
    resume: "resumeDpoJob",
  },
  evaluators: {
    /** List evaluators · `GET /v1/accounts/{account_id}/evaluators` */
    list: "listEvaluators",
    /** Create evaluator, inline criteria (deprecated 2026) · `POST /v1/accounts/{account_id}/evaluators` */
    create: "createEvaluator",
    /** Run an evaluator on sample rows · `POST /v1/accounts/{account_id}/evaluators:previewEvaluator` */
    preview: "previewEvaluator",
    /** Create evaluator, then upload code · `POST /v1/accounts/{account_id}/evaluatorsV2` */
    createV2: "createEvaluatorV2",
    /** Get evaluator · `GET /v1/accounts/{account_id}/evaluators/{evaluator_id}` */
    get: "getEvaluator",
    /** Update evaluator · `PATCH /v1/accounts/{account_id}/evaluators/{evaluator_id}` */
    update: "updateEvaluator",
    /** Delete evaluator · `DELETE /v1/accounts/{account_id}/evaluators/{evaluator_id}` */
    delete: "deleteEvaluator",
    /** Get evaluator build log enDPOint · `GET /v1/accounts/{account_id}/evaluators/{evaluator_id}:getBuildLogEndpoint` */
    getBuildLogEndpoint: "getEvaluatorBuildLogEndpoint",
    /** Get signed source download URLs · `GET /v1/accounts/{account_id}/evaluators/{evaluator_id}:getSourceCodeSignedUrl` */
    getSourceCodeEndpoint: "getEvaluatorSourceCodeEndpoint",
    /** Get evaluator upload enDPOint · `POST /v1/accounts/{account_id}/evaluators/{evaluator_id}:getUploadEndpoint` */
    getUploadEndpoint: "getEvaluatorUploadEndpoint",
    /** Validate evaluator upload · `POST /v1/accounts/{account_id}/evaluators/{evaluator_id}:validateUpload` */
    validateUpload: "validateEvaluatorUpload",
    /** List evaluator versions · `GET /v1/accounts/{account_id}/evaluators/{evaluator_id}/versions` */
    listVersions: "listEvaluatorVersions",
    /** Get evaluator version · `GET /v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}` */
    getVersion: "getEvaluatorVersion",
    /** Delete evaluator version · `DELETE /v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}` */
    deleteVersion: "deleteEvaluatorVersion",
    /** Alias evaluator version · `POST /v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}:alias` */
    aliasVersion: "aliasEvaluatorVersion",
    /** Rollback evaluator · `POST /v1/accounts/{account_id}/evaluators/{evaluator_id}/versions/{version_id}:rollback` */
    rollback: "rollbackEvaluator",
  },
  evaluationJobs: {
    /** List evaluation jobs · `GET /v1/accounts/{account_id}/evaluationJobs` */
    list: "listEvaluationJobs",
    /** Create evaluation job · `POST /v1/accounts/{account_id}/evaluationJobs` */
    create: "createEvaluationJob",
    /** Get evaluation job · `GET /v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}` */
    get: "getEvaluationJob",
    /** Delete evaluation job · `DELETE /v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}` */
    delete: "deleteEvaluationJob",
    /** Cancel evaluation job · `POST /v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}:cancel` */
    cancel: "cancelEvaluationJob",
    /** Get evaluation job execution log enDPOint · `GET /v1/accounts/{account_id}/evaluationJobs/{evaluation_job_id}:getExecutionLogEndpoint` */
    getExecutionLogEndpoint: "getEvaluationJobExecutionLogEndpoint",
  },
  batchInferenceJobs: {
    /** List batch inference jobs · `GET /v1/accounts/{account_id}/batchInferenceJobs` */
    list: "listBatchInferenceJobs",
    /** Create batch inference job · `POST /v1/accounts/{account_id}/batchInferenceJobs` */
    create: "createBatchInferenceJob",
    /** Get batch inference job · `GET /v1/accounts/{account_id}/batchInferenceJobs/{batch_inference_job_id}` */
    get: "getBatchInferenceJob",
    /** Delete batch inference job · `DELETE /v1/accounts/{account_id}/batchInferenceJobs/{batch_inference_job_id}` */
    delete: "deleteBatchInferenceJob",
    /** Cancel batch inference job · `POST /v1/accounts/{account_id}/batchInferenceJobs/{batch_inference_job_id}:cancel` */
    cancel: "cancelBatchInferenceJob",
  },
  secrets: {
    /** List secrets · `GET /v1/accounts/{account_id}/secrets` */
    list: "listSecrets",
    /** Create secret · `POST /v1/accounts/{account_id}/secrets` */
    create: "createSecret",
    /** Get secret · `GET /v1/accounts/{account_id}/secrets/{secret_id}` */
    get: "getSecret",
    /** Update secret · `PATCH /v1/accounts/{account_id}/secrets/{secret_id}` */
    update: "updateSecret",
    /** Delete secret · `DELETE /v1/accounts/{account_id}/secrets/{secret_id}` */
    delete: "deleteSecret",
  },
  quotas: {
    /** List quotas · `GET /v1/accounts/{account_id}/quotas` */
    list: "listQuotas",
    /** Get quota · `GET /v1/accounts/{account_id}/quotas/{quota_id}` */
    get: "getQuota",
    /** Update quota · `PATCH /v1/accounts/{account_id}/quotas/{quota_id}` */
    update: "updateQuota",
  },
  reservations: {
    /** List reserved capacity · `GET /v1/accounts/{account_id}/reservations` */
    list: "listReservations",
    /** Get one reservation · `GET /v1/accounts/{account_id}/reservations/{reservation_id}` */
    get: "getReservation",
    /** Sell reserved capacity; the operator's · `POST /v1/accounts/{account_id}/reservations` */
    create: "createReservation",
  },
  batchJobs: {
    /** List batch jobs · `GET /v1/accounts/{account_id}/batchJobs` */
    list: "listBatchJobs",
    /** Create batch job · `POST /v1/accounts/{account_id}/batchJobs` */
    create: "createBatchJob",
    /** Batch delete batch jobs · `POST /v1/accounts/{account_id}/batchJobs:batchDelete` */
    batchDelete: "batchDeleteBatchJobs",
    /** Get batch job · `GET /v1/accounts/{account_id}/batchJobs/{batch_job_id}` */
    get: "getBatchJob",
    /** Update batch job · `PATCH /v1/accounts/{account_id}/batchJobs/{batch_job_id}` */
    update: "updateBatchJob",
    /** Delete batch job · `DELETE /v1/accounts/{account_id}/batchJobs/{batch_job_id}` */
    delete: "deleteBatchJob",
    /** Cancel batch job · `POST /v1/accounts/{account_id}/batchJobs/{batch_job_id}:cancel` */
    cancel: "cancelBatchJob",
    /** Page through job logs · `GET /v1/accounts/{account_id}/batchJobs/{batch_job_id}:getLogs` */
    getLogs: "getBatchJobLogs",
  },
  clusters: {
    /** List clusters · `GET /v1/accounts/{account_id}/clusters` */
    list: "listClusters",
    /** Create cluster · `POST /v1/accounts/{account_id}/clusters` */
    create: "createCluster",
    /** Get cluster · `GET /v1/accounts/{account_id}/clusters/{cluster_id}` */
    get: "getCluster",
    /** Update cluster · `PATCH /v1/accounts/{account_id}/clusters/{cluster_id}` */
    update: "updateCluster",
    /** Delete cluster · `DELETE /v1/accounts/{account_id}/clusters/{cluster_id}` */
    delete: "deleteCluster",
    /** Get kubeconfig connection data · `GET /v1/accounts/{account_id}/clusters/{cluster_id}:getConnectionInfo` */
    getConnectionInfo: "getClusterConnectionInfo",
  },
  environments: {
    /** List environments · `GET /v1/accounts/{account_id}/environments` */
    list: "listEnvironments",
    /** Create environment · `POST /v1/accounts/{account_id}/environments` */
    create: "createEnvironment",
    /** Batch delete environments · `POST /v1/accounts/{account_id}/environments:batchDelete` */
    batchDelete: "batchDeleteEnvironments",
    /** Get environment · `GET /v1/accounts/{account_id}/environments/{environment_id}` */
    get: "getEnvironment",
    /** Update environment · `PATCH /v1/accounts/{account_id}/environments/{environment_id}` */
    update: "updateEnvironment",
    /** Delete environment · `DELETE /v1/accounts/{account_id}/environments/{environment_id}` */
    delete: "deleteEnvironment",
    /** Attach environment to a node pool · `POST /v1/accounts/{account_id}/environments/{environment_id}:connect` */
    connect: "connectEnvironment",
    /** Detach environment from its node pool · `POST /v1/accounts/{account_id}/environments/{environment_id}:disconnect` */
    disconnect: "disconnectEnvironment",
  },
  nodePools: {
    /** List node pools · `GET /v1/accounts/{account_id}/nodePools` */
    list: "listNodePools",
    /** Create node pool · `POST /v1/accounts/{account_id}/nodePools` */
    create: "createNodePool",
    /** Batch delete node pools · `POST /v1/accounts/{account_id}/nodePools:batchDelete` */
    batchDelete: "batchDeleteNodePools",
    /** Get node pool · `GET /v1/accounts/{account_id}/nodePools/{node_pool_id}` */
    get: "getNodePool",
    /** Update node pool · `PATCH /v1/accounts/{account_id}/nodePools/{node_pool_id}` */
    update: "updateNodePool",
    /** Delete node pool · `DELETE /v1/accounts/{account_id}/nodePools/{node_pool_id}` */
    delete: "deleteNodePool",
    /** Get node pool stats · `GET /v1/accounts/{account_id}/nodePools/{node_pool_id}:getStats` */
    getStats: "getNodePoolStats",
  },
  nodePoolBindings: {
    /** List node pool bindings · `GET /v1/accounts/{account_id}/nodePoolBindings` */
    list: "listNodePoolBindings",
    /** Create node pool binding · `POST /v1/accounts/{account_id}/nodePoolBindings` */
    create: "createNodePoolBinding",
    /** Delete node pool binding · `POST /v1/accounts/{account_id}/nodePoolBindings:delete` */
    delete: "deleteNodePoolBinding",
  },
  snapshots: {
    /** List snapshots · `GET /v1/accounts/{account_id}/snapshots` */
    list: "listSnapshots",
    /** Create snapshot · `POST /v1/accounts/{account_id}/snapshots` */
    create: "createSnapshot",
    /** Get snapshot · `GET /v1/accounts/{account_id}/snapshots/{snapshot_id}` */
    get: "getSnapshot",
    /** Delete snapshot · `DELETE /v1/accounts/{account_id}/snapshots/{snapshot_id}` */
    delete: "deleteSnapshot",
  },
  awsIamRoleBindings: {
    /** List AWS IAM role bindings · `GET /v1/accounts/{account_id}/awsIamRoleBindings` */
    list: "listAwsIamRoleBindings",
    /** Create AWS IAM role binding · `POST /v1/accounts/{account_id}/awsIamRoleBindings` */
    create: "createAwsIamRoleBinding",
    /** Delete AWS IAM role binding · `POST /v1/accounts/{account_id}/awsIamRoleBindings:delete` */
    delete: "deleteAwsIamRoleBinding",
  },
  usage: {
    /** What was used, by groups · `GET /v1/accounts/{account_id}/usage` */
    query: "queryUsage",
    /** The same as CSV, all groups · `GET /v1/accounts/{account_id}/usage:export` */
    export: "exportUsage",
  },
  billing: {
    /** Balances, tier and spending · `GET /v1/accounts/{account_id}/billing` */
    get: "getBilling",
    /** Set the terms; the operator's · `PATCH /v1/accounts/{account_id}/billing` */
    update: "updateBilling",
  },
  invoices: {
    /** List invoices · `GET /v1/accounts/{account_id}/invoices` */
    list: "listInvoices",
    /** Get invoice · `GET /v1/accounts/{account_id}/invoices/{invoice_id}` */
    get: "getInvoice",
  },
  payments: {
    /** List payments · `GET /v1/accounts/{account_id}/payments` */
    list: "listPayments",
    /** Book a payment; the operator's · `POST /v1/accounts/{account_id}/payments` */
    create: "createPayment",
    /** Get payment · `GET /v1/accounts/{account_id}/payments/{transaction_id}` */
    get: "getPayment",
  },
  credits: {
    /** List credits · `GET /v1/accounts/{account_id}/credits` */
    list: "listCredits",
    /** Book a credit; the operator's · `POST /v1/accounts/{account_id}/credits` */
    create: "createCredit",
    /** Get credit · `GET /v1/accounts/{account_id}/credits/{transaction_id}` */
    get: "getCredit",
  },
  adjustments: {
    /** List adjustments · `GET /v1/accounts/{account_id}/adjustments` */
    list: "listAdjustments",
    /** Book an adjustment; the operator's · `POST /v1/accounts/{account_id}/adjustments` */
    create: "createAdjustment",
    /** Get adjustment · `GET /v1/accounts/{account_id}/adjustments/{transaction_id}` */
    get: "getAdjustment",
  },
  transactions: {
    /** List transactions · `GET /v1/accounts/{account_id}/transactions` */
    list: "listTransactions",
    /** Get transaction · `GET /v1/accounts/{account_id}/transactions/{transaction_id}` */
    get: "getTransaction",
  },
  auditLogs: {
    /** List requests that could change something · `GET /v1/accounts/{account_id}/auditLogs` */
    list: "listAuditLogs",
  },
} as const;
