// Generated from contract/*.openapi.json by scripts/generate.ts. Don't edit.

export type AcceleratorType =
  | "ACCELERATOR_TYPE_UNSPECIFIED"
  | "NVIDIA_A100_80GB"
  | "NVIDIA_H100_80GB"
  | "AMD_MI300X_192GB"
  | "NVIDIA_A10G_24GB"
  | "NVIDIA_A100_40GB"
  | "NVIDIA_L4_24GB"
  | "NVIDIA_H200_141GB"
  | "NVIDIA_B200_180GB"
  | "AMD_MI325X_256GB"
  | "AMD_MI350X_288GB"
  | "NVIDIA_B300_288GB"
  | (string & {});

export interface Account {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  accountType?: AccountType | undefined;
  email?: string | undefined;
  /** Output only. */
  state?: AccountState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  suspendState?: SuspendState | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  notificationSettings?: NotificationSettings | undefined;
}

export type AccountState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "READY"
  | "UPDATING"
  | "DELETING"
  | (string & {});

export type AccountType =
  | "ACCOUNT_TYPE_UNSPECIFIED"
  | "ENTERPRISE"
  | "DEVELOPER"
  | "BUSINESS"
  | (string & {});

export interface AliasEvaluatorVersionRequest {
  aliasId: string;
}

export interface Any {
  "@type"?: string | undefined;
}

export interface ApiKey {
  /** Output only. */
  keyId?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  key?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  secure?: boolean | undefined;
  /** Output only. */
  email?: string | undefined;
  /** Output only. */
  prefix?: string | undefined;
  expireTime?: string | undefined;
  annotations?: Record<string, string> | undefined;
  /** Output only. */
  lastUsed?: string | undefined;
}

export interface AppendToMessages {
  unrollMultipleResponses?: boolean | undefined;
}

export interface AutoTune {
  longPrompt?: boolean | undefined;
}

export interface AutoscalingPolicy {
  scaleUpWindow?: string | undefined;
  scaleDownWindow?: string | undefined;
  scaleToZeroWindow?: string | undefined;
  loadTargets?: Record<string, number> | undefined;
  scalingSchedules?: Record<string, ScalingSchedule> | undefined;
}

export interface AwsIamRoleBinding {
  /** Output only. */
  accountId?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  principal?: string | undefined;
  role?: string | undefined;
}

export interface AwsS3Config {
  credentialsSecret?: string | undefined;
  iamRoleArn?: string | undefined;
}

export interface AwsS3ModelSource {
  s3Bucket?: string | undefined;
  s3Path?: string | undefined;
  roleArn?: string | undefined;
  accessKeyId?: string | undefined;
  accessSecret?: string | undefined;
}

export interface AzureBlobModelSource {
  storageAccount?: string | undefined;
  container?: string | undefined;
  path?: string | undefined;
  sasTokenSecret?: string | undefined;
  clientId?: string | undefined;
  tenantId?: string | undefined;
}

export interface AzureBlobStorageConfig {
  credentialsSecret?: string | undefined;
  managedIdentityClientId?: string | undefined;
  tenantId?: string | undefined;
}

export interface BaseModelDetails {
  worldSize?: number | undefined;
  checkpointFormat?: CheckpointFormat | undefined;
  huggingfaceFiles?: readonly string[] | undefined;
  parameterCount?: string | undefined;
  moe?: boolean | undefined;
  tunable?: boolean | undefined;
  modelType?: string | undefined;
  supportsFireattention?: boolean | undefined;
  /** Output only. */
  defaultPrecision?: Precision | undefined;
  supportsMtp?: boolean | undefined;
}

export interface BaseTrainingConfig {
  outputModel?: string | undefined;
  baseModel?: string | undefined;
  warmStartFrom?: string | undefined;
  jinjaTemplate?: string | undefined;
  learningRate?: number | undefined;
  maxContextLength?: number | undefined;
  loraRank?: number | undefined;
  epochs?: number | undefined;
  batchSize?: number | undefined;
  gradientAccumulationSteps?: number | undefined;
  learningRateWarmupSteps?: number | undefined;
  batchSizeSamples?: number | undefined;
  optimizerWeightDecay?: number | undefined;
  trainerShardingScheme?: TrainerShardingScheme | undefined;
  loraAlpha?: number | undefined;
  loraDropout?: number | undefined;
  loraTargetModules?: readonly string[] | undefined;
  region?: Region | undefined;
}

export interface BatchDeleteBatchJobsRequest {
  names: readonly string[];
}

export interface BatchDeleteEnvironmentsRequest {
  names: readonly string[];
}

export interface BatchDeleteNodePoolsRequest {
  names: readonly string[];
}

export interface BatchInferenceJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  /** Output only. */
  state?: JobState | undefined;
  /** Output only. */
  status?: Status | undefined;
  model?: string | undefined;
  inputDatasetId?: string | undefined;
  outputDatasetId?: string | undefined;
  inferenceParameters?: BatchInferenceParameters | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  precision?: Precision | undefined;
  /** Output only. */
  jobProgress?: JobProgress | undefined;
  continuedFromJobName?: string | undefined;
  /** Output only. */
  expireTime?: string | undefined;
  appendToMessages?: AppendToMessages | undefined;
  endingAssistantMessages?: string | undefined;
  region?: Region | undefined;
  maxReplicaCount?: number | undefined;
  acceleratorType?: AcceleratorType | undefined;
  acceleratorCount?: number | undefined;
}

export interface BatchInferenceParameters {
  maxTokens?: number | undefined;
  temperature?: number | undefined;
  topP?: number | undefined;
  n?: number | undefined;
  extraBody?: string | undefined;
  topK?: number | undefined;
}

export interface BatchJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  startTime?: string | undefined;
  /** Output only. */
  endTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  nodePoolId?: string | undefined;
  environmentId?: string | undefined;
  snapshotId?: string | undefined;
  numRanks?: number | undefined;
  envVars?: Record<string, string> | undefined;
  role?: string | undefined;
  pythonExecutor?: PythonExecutor | undefined;
  notebookExecutor?: NotebookExecutor | undefined;
  shellExecutor?: ShellExecutor | undefined;
  imageRef?: string | undefined;
  annotations?: Record<string, string> | undefined;
  /** Output only. */
  state?: BatchJobState | undefined;
  /** Output only. */
  status?: string | undefined;
  shared?: boolean | undefined;
  /** Output only. */
  updateTime?: string | undefined;
}

export type BatchJobState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "QUEUED"
  | "PENDING"
  | "RUNNING"
  | "COMPLETED"
  | "FAILED"
  | "CANCELLING"
  | "CANCELLED"
  | "DELETING"
  | (string & {});

export type CancelBatchJobRequest = Record<string, never>;

export type CancelDpoJobRequest = Record<string, never>;

export type CancelReinforcementFineTuningJobRequest = Record<string, never>;

export type CancelRlorTrainerJobRequest = Record<string, never>;

export type CancelSupervisedFineTuningJobRequest = Record<string, never>;

export type CheckpointFormat =
  | "CHECKPOINT_FORMAT_UNSPECIFIED"
  | "NATIVE"
  | "HUGGINGFACE"
  | "UNINITIALIZED"
  | (string & {});

export type CheckpointType =
  | "CHECKPOINT_TYPE_UNSPECIFIED"
  | "CHECKPOINT_TYPE_INFERENCE_BASE"
  | "CHECKPOINT_TYPE_INFERENCE_ARC_V2"
  | "CHECKPOINT_TYPE_INFERENCE_LORA"
  | "CHECKPOINT_TYPE_TRAINING"
  | "CHECKPOINT_TYPE_TRAINING_LORA"
  | (string & {});

export interface Cluster {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  eksCluster?: EksCluster | undefined;
  fakeCluster?: FakeCluster | undefined;
  /** Output only. */
  state?: ClusterState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  updateTime?: string | undefined;
}

export interface ClusterConnectionInfo {
  endpoint?: string | undefined;
  caData?: string | undefined;
}

export type ClusterState = "STATE_UNSPECIFIED" | "CREATING" | "READY" | "DELETING" | "FAILED" | (string & {});

export interface CodeSnippets {
  language?: string | undefined;
  fileContents?: Record<string, string> | undefined;
  entryFile?: string | undefined;
  entryFunc?: string | undefined;
}

export interface ConnectEnvironmentRequest {
  connection: EnvironmentConnection;
  vscodeVersion?: string | undefined;
}

export interface ConversationConfig {
  style?: string | undefined;
  system?: string | undefined;
  template?: string | undefined;
}

export interface CreateApiKeyRequest {
  apiKey: ApiKey;
}

export interface CreateClusterRequest {
  cluster: Cluster;
  clusterId: ResourceId;
}

export interface CreateDatasetRequest {
  dataset: Dataset;
  datasetId: ResourceId;
  sourceDatasetId?: string | undefined;
  filter?: string | undefined;
}

export interface CreateEnvironmentRequest {
  environment: Environment;
  environmentId: ResourceId;
}

export interface CreateEvaluationJobRequest {
  evaluationJob: EvaluationJob;
  evaluationJobId?: ResourceId | undefined;
  leaderboardIds?: readonly string[] | undefined;
}

export interface CreateEvaluatorRequest {
  evaluator: Evaluator;
  evaluatorId?: ResourceId | undefined;
}

export interface CreateEvaluatorV2Request {
  evaluator: Evaluator;
  evaluatorId?: ResourceId | undefined;
}

export interface CreateModelRequest {
  model?: Model | undefined;
  modelId: ResourceId;
  cluster?: string | undefined;
}

export interface CreateNodePoolRequest {
  nodePool: NodePool;
  nodePoolId: ResourceId;
}

export interface Criterion {
  type?: CriterionType | undefined;
  name?: string | undefined;
  description?: string | undefined;
  codeSnippets?: CodeSnippets | undefined;
}

export type CriterionType = "TYPE_UNSPECIFIED" | "CODE_SNIPPETS" | (string & {});

export interface Dataset {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  state?: DatasetState | undefined;
  /** Output only. */
  status?: Status | undefined;
  exampleCount?: string | undefined;
  userUploaded?: UserUploaded | undefined;
  evaluationResult?: EvaluationResult | undefined;
  transformed?: Transformed | undefined;
  splitted?: Splitted | undefined;
  evalProtocol?: EvalProtocol | undefined;
  externalUrl?: string | undefined;
  format?: DatasetFormat | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  sourceJobName?: string | undefined;
  /** Output only. */
  estimatedTokenCount?: string | undefined;
  /** Output only. */
  averageTurnCount?: number | undefined;
}

export type DatasetFormat = "FORMAT_UNSPECIFIED" | "CHAT" | "COMPLETION" | "RL" | (string & {});

export type DatasetState = "STATE_UNSPECIFIED" | "UPLOADING" | "READY" | (string & {});

export interface Date {
  year?: number | undefined;
  month?: number | undefined;
  day?: number | undefined;
}

export type DebugReinforcementFineTuningJobRequest = Record<string, never>;

export interface DebugReinforcementFineTuningJobResponse {
  name?: string | undefined;
  /** Output only. */
  failedJobName?: string | undefined;
}

export interface DeleteApiKeyRequest {
  keyId: string;
}

export interface DeployModelVersionRequest {
  deployment: string;
  rolloutStrategy: RolloutStrategy;
}

export interface DeployedModel {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  description?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  model?: string | undefined;
  deployment?: string | undefined;
  default?: boolean | undefined;
  /** Output only. */
  state?: DeployedModelState | undefined;
  serverless?: boolean | undefined;
  /** Output only. */
  status?: Status | undefined;
  public?: boolean | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
}

export interface DeployedModelRef {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  deployment?: string | undefined;
  /** Output only. */
  state?: DeployedModelState | undefined;
  /** Output only. */
  default?: boolean | undefined;
  /** Output only. */
  public?: boolean | undefined;
}

export type DeployedModelState =
  | "STATE_UNSPECIFIED"
  | "UNDEPLOYING"
  | "DEPLOYING"
  | "DEPLOYED"
  | "UPDATING"
  | (string & {});

export interface Deployment {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  description?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** @deprecated */
  expireTime?: string | undefined;
  /** Output only. */
  purgeTime?: string | undefined;
  /** Output only. */
  deleteTime?: string | undefined;
  /** Output only. */
  state?: DeploymentState | undefined;
  /** Output only. */
  status?: Status | undefined;
  annotations?: Record<string, string> | undefined;
  minReplicaCount?: number | undefined;
  maxReplicaCount?: number | undefined;
  maxWithRevocableReplicaCount?: number | undefined;
  /** Output only. */
  desiredReplicaCount?: number | undefined;
  /** Output only. */
  replicaCount?: number | undefined;
  autoscalingPolicy?: AutoscalingPolicy | undefined;
  baseModel?: string | undefined;
  acceleratorCount?: number | undefined;
  acceleratorType?: AcceleratorType | undefined;
  precision?: Precision | undefined;
  /** Output only. */
  cluster?: string | undefined;
  enableAddons?: boolean | undefined;
  draftTokenCount?: number | undefined;
  draftModel?: string | undefined;
  ngramSpeculationLength?: number | undefined;
  enableSessionAffinity?: boolean | undefined;
  directRouteApiKeys?: readonly string[] | undefined;
  numPeftDeviceCached?: number | undefined;
  directRouteType?: DirectRouteType | undefined;
  /** Output only. */
  directRouteHandle?: string | undefined;
  deploymentTemplate?: string | undefined;
  autoTune?: AutoTune | undefined;
  placement?: Placement | undefined;
  /** Output only. */
  region?: Region | undefined;
  maxContextLength?: number | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  disableDeploymentSizeValidation?: boolean | undefined;
  enableHotLoad?: boolean | undefined;
  hotLoadBucketType?: HotLoadBucketType | undefined;
  enableHotReloadLatestAddon?: boolean | undefined;
  deploymentShape?: string | undefined;
  activeModelVersion?: string | undefined;
  targetModelVersion?: string | undefined;
  /** Output only. */
  replicaStats?: ReplicaStats | undefined;
  hotLoadBucketUrl?: string | undefined;
  pricingPlanId?: string | undefined;
  hotLoadTrainerJob?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  isNim?: boolean | undefined;
  enableMtp?: boolean | undefined;
  unusedAutoDeleteDuration?: string | undefined;
  maxPeftBatchSize?: number | undefined;
}

export interface DeploymentShape {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  description?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  baseModel?: string | undefined;
  /** Output only. */
  modelType?: string | undefined;
  /** Output only. */
  parameterCount?: string | undefined;
  acceleratorCount?: number | undefined;
  acceleratorType?: AcceleratorType | undefined;
  precision?: Precision | undefined;
  disableDeploymentSizeValidation?: boolean | undefined;
  enableAddons?: boolean | undefined;
  draftTokenCount?: number | undefined;
  /** @deprecated */
  draftModel?: string | undefined;
  ngramSpeculationLength?: number | undefined;
  disableSpeculativeDecoding?: boolean | undefined;
  enableSessionAffinity?: boolean | undefined;
  numLoraDeviceCached?: number | undefined;
  maxContextLength?: number | undefined;
  presetType?: PresetType | undefined;
}

export interface DeploymentShapeVersion {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  snapshot?: DeploymentShape | undefined;
  validated?: boolean | undefined;
  public?: boolean | undefined;
  /** Output only. */
  latestValidated?: boolean | undefined;
}

export interface DeploymentShard {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  /** Output only. */
  state?: DeploymentShardState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  replicaStats?: ReplicaStats | undefined;
}

export type DeploymentShardState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "READY"
  | "DELETING"
  | "FAILED"
  | "UPDATING"
  | (string & {});

export type DeploymentState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "READY"
  | "DELETING"
  | "FAILED"
  | "UPDATING"
  | "DELETED"
  | (string & {});

export type DirectRouteType =
  | "DIRECT_ROUTE_TYPE_UNSPECIFIED"
  | "INTERNET"
  | "GCP_PRIVATE_SERVICE_CONNECT"
  | "AWS_PRIVATELINK"
  | (string & {});

export interface DisconnectEnvironmentRequest {
  force?: boolean | undefined;
  resetSnapshots?: boolean | undefined;
}

export interface DpoConfig {
  beta?: number | undefined;
  refCacheConcurrency?: number | undefined;
  refCacheBatchSize?: number | undefined;
}

export interface DpoJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  completedTime?: string | undefined;
  dataset?: string | undefined;
  /** Output only. */
  state?: JobState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  trainingConfig?: BaseTrainingConfig | undefined;
  wandbConfig?: WandbConfig | undefined;
  /** Output only. */
  trainerLogsSignedUrl?: string | undefined;
  lossConfig?: ReinforcementLearningLossConfig | undefined;
  awsS3Config?: AwsS3Config | undefined;
  azureBlobStorageConfig?: AzureBlobStorageConfig | undefined;
  purpose?: Purpose | undefined;
}

export interface EksCluster {
  awsAccountId?: string | undefined;
  fireworksManagerRole?: string | undefined;
  region?: string | undefined;
  clusterName?: string | undefined;
  storageBucketName?: string | undefined;
  metricWriterRole?: string | undefined;
  loadBalancerControllerRole?: string | undefined;
  workloadIdentityPoolProviderId?: string | undefined;
  inferenceRole?: string | undefined;
}

export interface EksNodePool {
  nodeRole?: string | undefined;
  instanceType?: string | undefined;
  spot?: boolean | undefined;
  nodeGroupName?: string | undefined;
  subnetIds?: readonly string[] | undefined;
  zone?: string | undefined;
  placementGroup?: string | undefined;
  launchTemplate?: string | undefined;
}

export type Empty = Record<string, never>;

export interface Environment {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  /** Output only. */
  state?: EnvironmentState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  connection?: EnvironmentConnection | undefined;
  baseImageRef?: string | undefined;
  /** Output only. */
  imageRef?: string | undefined;
  /** Output only. */
  snapshotImageRef?: string | undefined;
  shared?: boolean | undefined;
  annotations?: Record<string, string> | undefined;
  /** Output only. */
  updateTime?: string | undefined;
}

export interface EnvironmentConnection {
  nodePoolId?: string | undefined;
  numRanks?: number | undefined;
  role?: string | undefined;
  /** Output only. */
  zone?: string | undefined;
  useLocalStorage?: boolean | undefined;
}

export type EnvironmentState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "DISCONNECTED"
  | "CONNECTING"
  | "CONNECTED"
  | "DISCONNECTING"
  | "RECONNECTING"
  | "DELETING"
  | (string & {});

export interface EstimateSupervisedFineTuningJobCostResponse {
  estimatedCost?: Money | undefined;
}

export type EvalProtocol = Record<string, never>;

export interface EvaluationJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  /** Output only. */
  state?: JobState | undefined;
  /** Output only. */
  status?: Status | undefined;
  evaluator?: string | undefined;
  inputDataset?: string | undefined;
  outputDataset?: string | undefined;
  /** Output only. */
  metrics?: Record<string, number> | undefined;
  outputStats?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  awsS3Config?: AwsS3Config | undefined;
}

export interface EvaluationResult {
  evaluationJobId?: string | undefined;
}

export interface Evaluator {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  description?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  /** Output only. */
  state?: EvaluatorState | undefined;
  criteria?: readonly Criterion[] | undefined;
  requirements?: string | undefined;
  entryPoint?: string | undefined;
  /** Output only. */
  status?: Status | undefined;
  commitHash?: string | undefined;
  source?: EvaluatorSource | undefined;
  defaultDataset?: string | undefined;
  multiMetrics?: boolean | undefined;
  rollupSettings?: RollupSettings | undefined;
}

export interface EvaluatorSource {
  type?: EvaluatorSourceType | undefined;
  githubRepositoryName?: string | undefined;
}

export type EvaluatorSourceType =
  | "TYPE_UNSPECIFIED"
  | "TYPE_UPLOAD"
  | "TYPE_GITHUB"
  | "TYPE_TEMPORARY"
  | (string & {});

export type EvaluatorState = "STATE_UNSPECIFIED" | "ACTIVE" | "BUILDING" | "BUILD_FAILED" | (string & {});

export interface EvaluatorVersion {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  snapshot?: Evaluator | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  alternateIds?: readonly string[] | undefined;
}

export interface ExecuteRlorTrainStepRequest {
  dataset: string;
  outputModel: string;
}

export interface FakeCluster {
  projectId?: string | undefined;
  location?: string | undefined;
  clusterName?: string | undefined;
}

export interface FakeNodePool {
  machineType?: string | undefined;
  numNodes?: number | undefined;
  serviceAccount?: string | undefined;
}

export interface FileUploadResponse {
  id?: string | undefined;
  object?: string | undefined;
  bytes?: number | undefined;
  created_at?: number | undefined;
  filename?: string | undefined;
  purpose?: string | undefined;
}

export interface GetBatchJobLogsResponse {
  entries?: readonly LogEntry[] | undefined;
  nextPageToken?: string | undefined;
}

export interface GetDatasetDownloadEndpointResponse {
  filenameToSignedUrls?: Record<string, string> | undefined;
}

export interface GetDatasetUploadEndpointRequest {
  filenameToSize: Record<string, string>;
  readMask?: string | undefined;
}

export interface GetDatasetUploadEndpointResponse {
  filenameToSignedUrls?: Record<string, string> | undefined;
}

export interface GetDeploymentMetricsResponse {
  metrics?: Record<string, number> | undefined;
}

export interface GetDpoJobMetricsFileResponse {
  signedUrl?: string | undefined;
}

export interface GetEvaluationJobExecutionLogEndpointResponse {
  executionLogSignedUri?: string | undefined;
  contentType?: string | undefined;
  expireTime?: string | undefined;
}

export interface GetEvaluatorBuildLogEndpointResponse {
  buildLogSignedUri?: string | undefined;
}

export interface GetEvaluatorSourceCodeEndpointResponse {
  filenameToSignedUrls?: Record<string, string> | undefined;
}

export interface GetEvaluatorUploadEndpointRequest {
  filenameToSize: Record<string, string>;
  readMask?: string | undefined;
}

export interface GetEvaluatorUploadEndpointResponse {
  filenameToSignedUrls?: Record<string, string> | undefined;
}

export interface GetLedgerResponse {
  ledger?: readonly LedgerEntry[] | undefined;
}

export interface GetModelDownloadEndpointResponse {
  filenameToSignedUrls?: Record<string, string> | undefined;
}

export interface GetModelUploadEndpointRequest {
  filenameToSize: Record<string, string>;
  enableResumableUpload?: boolean | undefined;
  readMask?: string | undefined;
}

export interface GetModelUploadEndpointResponse {
  filenameToSignedUrls?: Record<string, string> | undefined;
  filenameToUnsignedUris?: Record<string, string> | undefined;
}

export interface GetModelVersionCountResponse {
  count?: number | undefined;
}

export interface GetReinforcementFineTuningJobMetricsFileResponse {
  signedUrl?: string | undefined;
}

export interface GetRlorTrainerJobPublicLogsResponse {
  signedUrl?: string | undefined;
}

export interface GetTerminationMessageResponse {
  message?: string | undefined;
}

export type HotLoadBucketType =
  | "BUCKET_TYPE_UNSPECIFIED"
  | "MINIO"
  | "S3"
  | "NEBIUS"
  | "FW_HOSTED"
  | (string & {});

export interface ImportModelRequest {
  awsS3Source?: AwsS3ModelSource | undefined;
  azureBlobSource?: AzureBlobModelSource | undefined;
}

export interface JobProgress {
  percent?: number | undefined;
  epoch?: number | undefined;
  totalInputRequests?: number | undefined;
  totalProcessedRequests?: number | undefined;
  successfullyProcessedRequests?: number | undefined;
  failedRequests?: number | undefined;
  outputRows?: number | undefined;
  inputTokens?: number | undefined;
  outputTokens?: number | undefined;
  cachedInputTokenCount?: number | undefined;
}

export type JobState =
  | "JOB_STATE_UNSPECIFIED"
  | "JOB_STATE_CREATING"
  | "JOB_STATE_RUNNING"
  | "JOB_STATE_COMPLETED"
  | "JOB_STATE_FAILED"
  | "JOB_STATE_CANCELLED"
  | "JOB_STATE_DELETING"
  | "JOB_STATE_WRITING_RESULTS"
  | "JOB_STATE_VALIDATING"
  | "JOB_STATE_DELETING_CLEANING_UP"
  | "JOB_STATE_PENDING"
  | "JOB_STATE_EXPIRED"
  | "JOB_STATE_RE_QUEUEING"
  | "JOB_STATE_CREATING_INPUT_DATASET"
  | "JOB_STATE_IDLE"
  | "JOB_STATE_CANCELLING"
  | "JOB_STATE_EARLY_STOPPED"
  | "JOB_STATE_PAUSED"
  | "JOB_STATE_DELETED"
  | "JOB_STATE_ROLLOUT"
  | "JOB_STATE_EVALUATION"
  | "JOB_STATE_HANDLING_FAILURE"
  | "JOB_STATE_DELETING_INCOMPLETE"
  | "JOB_STATE_POLICY_UPDATE"
  | (string & {});

export interface LedgerEntry {
  timestamp?: string | undefined;
  value?: string | undefined;
}

export interface ListAccountsResponse {
  accounts?: readonly Account[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListApiKeysResponse {
  apiKeys?: readonly ApiKey[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListAwsIamRoleBindingsResponse {
  awsIamRoleBindings?: readonly AwsIamRoleBinding[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListBatchInferenceJobsResponse {
  batchInferenceJobs?: readonly BatchInferenceJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListBatchJobsResponse {
  batchJobs?: readonly BatchJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListClustersResponse {
  clusters?: readonly Cluster[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDatasetsResponse {
  datasets?: readonly Dataset[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDeployedModelsResponse {
  deployedModels?: readonly DeployedModel[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDeploymentShapeVersionsResponse {
  deploymentShapeVersions?: readonly DeploymentShapeVersion[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDeploymentShapesResponse {
  deploymentShapes?: readonly DeploymentShape[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDeploymentShardsResponse {
  deploymentShards?: readonly DeploymentShard[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDeploymentsResponse {
  deployments?: readonly Deployment[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListDpoJobsResponse {
  dpoJobs?: readonly DpoJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListEnvironmentsResponse {
  environments?: readonly Environment[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListEvaluationJobsResponse {
  evaluationJobs?: readonly EvaluationJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListEvaluatorVersionsResponse {
  evaluatorVersions?: readonly EvaluatorVersion[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListEvaluatorsResponse {
  evaluators?: readonly Evaluator[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListModelsResponse {
  models?: readonly Model[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListNodePoolBindingsResponse {
  nodePoolBindings?: readonly NodePoolBinding[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListNodePoolsResponse {
  nodePools?: readonly NodePool[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListQuotasResponse {
  quotas?: readonly Quota[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListReinforcementFineTuningJobsResponse {
  reinforcementFineTuningJobs?: readonly ReinforcementFineTuningJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListReservationsResponse {
  reservations?: readonly Reservation[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListRlorTrainerJobCheckpointsResponse {
  checkpoints?: readonly RlorTrainerJobCheckpoint[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListRlorTrainerJobsResponse {
  rlorTrainerJobs?: readonly RlorTrainerJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListSecretsResponse {
  secrets?: readonly Secret[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListSnapshotsResponse {
  snapshots?: readonly Snapshot[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListSupervisedFineTuningJobsResponse {
  supervisedFineTuningJobs?: readonly SupervisedFineTuningJob[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListUsersResponse {
  users?: readonly User[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface LogEntry {
  logTime?: string | undefined;
  rank?: number | undefined;
  message?: string | undefined;
}

export type LossMethod =
  | "METHOD_UNSPECIFIED"
  | "GRPO"
  | "DAPO"
  | "DPO"
  | "ORPO"
  | "GSPO_TOKEN"
  | (string & {});

export interface Model {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  description?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  state?: ModelState | undefined;
  /** Output only. */
  status?: Status | undefined;
  kind?: ModelKind | undefined;
  githubUrl?: string | undefined;
  huggingFaceUrl?: string | undefined;
  baseModelDetails?: BaseModelDetails | undefined;
  peftDetails?: PEFTDetails | undefined;
  teftDetails?: TEFTDetails | undefined;
  public?: boolean | undefined;
  conversationConfig?: ConversationConfig | undefined;
  contextLength?: number | undefined;
  supportsImageInput?: boolean | undefined;
  supportsTools?: boolean | undefined;
  /** Output only. */
  importedFrom?: string | undefined;
  /** Output only. */
  fineTuningJob?: string | undefined;
  defaultDraftModel?: string | undefined;
  defaultDraftTokenCount?: number | undefined;
  /** Output only. */
  deployedModelRefs?: readonly DeployedModelRef[] | undefined;
  /** Output only. */
  cluster?: string | undefined;
  deprecationDate?: Date | undefined;
  /** Output only. */
  calibrated?: boolean | undefined;
  /** Output only. */
  tunable?: boolean | undefined;
  supportsLora?: boolean | undefined;
  useHfApplyChatTemplate?: boolean | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  /** Output only. */
  defaultSamplingParams?: Record<string, number> | undefined;
  /** Output only. */
  rlTunable?: boolean | undefined;
  trainingContextLength?: number | undefined;
  snapshotType?: SnapshotType | undefined;
  /** Output only. */
  supportsServerless?: boolean | undefined;
  /** Output only. */
  supervisedLoraTunable?: boolean | undefined;
  /** Output only. */
  supervisedFullParameterTunable?: boolean | undefined;
  /** Output only. */
  rlLoraTunable?: boolean | undefined;
  /** Output only. */
  rlFullParameterTunable?: boolean | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  /** Output only. */
  precisions?: readonly Precision[] | undefined;
  /** Output only. */
  supportedPrecisions?: readonly Precision[] | undefined;
  /** Output only. */
  supportedPrecisionsWithCalibration?: readonly Precision[] | undefined;
}

export type ModelKind =
  | "KIND_UNSPECIFIED"
  | "HF_BASE_MODEL"
  | "HF_PEFT_ADDON"
  | "HF_TEFT_ADDON"
  | "FLUMINA_BASE_MODEL"
  | "FLUMINA_ADDON"
  | "DRAFT_ADDON"
  | "FIRE_AGENT"
  | "LIVE_MERGE"
  | "CUSTOM_MODEL"
  | "EMBEDDING_MODEL"
  | "SNAPSHOT_MODEL"
  | (string & {});

export type ModelState = "STATE_UNSPECIFIED" | "UPLOADING" | "READY" | "PREPARING" | (string & {});

export interface ModelVersion {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  snapshot?: Model | undefined;
}

export interface Money {
  currencyCode?: string | undefined;
  units?: string | undefined;
  nanos?: number | undefined;
}

export type MultiRegion = "MULTI_REGION_UNSPECIFIED" | "GLOBAL" | "US" | "EUROPE" | "APAC" | (string & {});

export interface NodePool {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  minNodeCount?: number | undefined;
  maxNodeCount?: number | undefined;
  overprovisionNodeCount?: number | undefined;
  eksNodePool?: EksNodePool | undefined;
  fakeNodePool?: FakeNodePool | undefined;
  annotations?: Record<string, string> | undefined;
  /** Output only. */
  state?: NodePoolState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  nodePoolStats?: NodePoolStats | undefined;
  /** Output only. */
  updateTime?: string | undefined;
}

export interface NodePoolBinding {
  /** Output only. */
  accountId?: string | undefined;
  clusterId?: string | undefined;
  nodePoolId?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  principal?: string | undefined;
}

export type NodePoolState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "READY"
  | "DELETING"
  | "FAILED"
  | (string & {});

export interface NodePoolStats {
  nodeCount?: number | undefined;
  ranksPerNode?: number | undefined;
  environmentCount?: number | undefined;
  environmentRanks?: number | undefined;
  batchJobCount?: Record<string, number> | undefined;
  batchJobRanks?: Record<string, number> | undefined;
}

export interface NotebookExecutor {
  notebookFilename?: string | undefined;
}

export interface NotificationSettings {
  monthlySpendThresholds?: readonly Money[] | undefined;
}

export interface Operation {
  name?: string | undefined;
  metadata?: Any | undefined;
  done?: boolean | undefined;
  error?: RpcStatus | undefined;
  response?: Any | undefined;
}

export interface OrpoConfig {
  lambda?: number | undefined;
}

export interface PEFTDetails {
  baseModel?: string | undefined;
  r?: number | undefined;
  targetModules?: readonly string[] | undefined;
  /** Output only. */
  baseModelType?: string | undefined;
  mergeAddonModelName?: string | undefined;
}

export interface Placement {
  region?: Region | undefined;
  multiRegion?: MultiRegion | undefined;
  regions?: readonly Region[] | undefined;
}

export type Precision =
  | "PRECISION_UNSPECIFIED"
  | "FP16"
  | "FP8"
  | "FP8_MM"
  | "FP8_AR"
  | "FP8_MM_KV_ATTN"
  | "FP8_KV"
  | "FP8_MM_V2"
  | "FP8_V2"
  | "FP8_MM_KV_ATTN_V2"
  | "NF4"
  | "FP4"
  | "BF16"
  | "FP4_BLOCKSCALED_MM"
  | "FP4_MX_MOE"
  | (string & {});

export interface PrepareModelRequest {
  precision?: Precision | undefined;
  readMask?: string | undefined;
}

export type PresetType =
  | "PRESET_TYPE_UNSPECIFIED"
  | "MINIMAL"
  | "FAST"
  | "THROUGHPUT"
  | "FULL_PRECISION"
  | "AGENTIC_CODING"
  | "CHAT"
  | "SUMMARIZATION"
  | (string & {});

export interface PreviewEvaluatorRequest {
  evaluator: Evaluator;
  sampleData: readonly string[];
  maxSamples?: number | undefined;
}

export interface PreviewEvaluatorResponse {
  results?: readonly PreviewEvaluatorSampleResult[] | undefined;
  totalSamples?: number | undefined;
  totalRuntimeMs?: string | undefined;
  stdout?: readonly string[] | undefined;
  stderr?: readonly string[] | undefined;
}

export interface PreviewEvaluatorSampleResult {
  success?: boolean | string | undefined;
  score?: number | undefined;
  perMetricEvals?: Record<string, Record<string, unknown>> | undefined;
  reason?: string | undefined;
}

export type Purpose = "PURPOSE_UNSPECIFIED" | "PURPOSE_PILOT" | (string & {});

export interface PythonExecutor {
  targetType?: PythonTargetType | undefined;
  target?: string | undefined;
  args?: readonly string[] | undefined;
}

export type PythonTargetType = "TARGET_TYPE_UNSPECIFIED" | "MODULE" | "FILENAME" | (string & {});

export interface Quota {
  /** Output only. */
  name?: string | undefined;
  value?: string | undefined;
  maxValue?: string | undefined;
  /** Output only. */
  usage?: number | undefined;
  /** Output only. */
  updateTime?: string | undefined;
}

export type Region =
  | "REGION_UNSPECIFIED"
  | "US_IOWA_1"
  | "US_VIRGINIA_1"
  | "US_VIRGINIA_2"
  | "US_ILLINOIS_1"
  | "AP_TOKYO_1"
  | "US_ARIZONA_1"
  | "US_TEXAS_1"
  | "US_ILLINOIS_2"
  | "EU_FRANKFURT_1"
  | "US_TEXAS_2"
  | "EU_ICELAND_1"
  | "EU_ICELAND_2"
  | "US_WASHINGTON_1"
  | "US_WASHINGTON_2"
  | "US_WASHINGTON_3"
  | "AP_TOKYO_2"
  | "US_CALIFORNIA_1"
  | "US_UTAH_1"
  | "US_GEORGIA_1"
  | "US_GEORGIA_2"
  | "US_WASHINGTON_4"
  | "US_GEORGIA_3"
  | "NA_BRITISHCOLUMBIA_1"
  | "US_GEORGIA_4"
  | "US_OHIO_1"
  | "US_NEWYORK_1"
  | "EU_NETHERLANDS_1"
  | "US_WASHINGTON_5"
  | "US_MINNESOTA_1"
  | "US_CALIFORNIA_2"
  | "AP_MALAYSIA_1"
  | "US_OHIO_2"
  | "EU_LONDON_1"
  | "EU_PARIS_1"
  | "EU_HELSINKI_1"
  | "US_NEVADA_1"
  | "EU_ICELAND_3"
  | "US_MISSOURI_1"
  | "EU_ICELAND_DEV_1"
  | "US_ARIZONA_2"
  | "US_ARIZONA_3"
  | "US_TEXAS_3"
  | (string & {});

export interface ReinforcementFineTuningJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  completedTime?: string | undefined;
  dataset?: string | undefined;
  evaluationDataset?: string | undefined;
  evalAutoCarveout?: boolean | undefined;
  /** Output only. */
  state?: JobState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  trainingConfig?: BaseTrainingConfig | undefined;
  evaluator?: string | undefined;
  wandbConfig?: WandbConfig | undefined;
  awsS3Config?: AwsS3Config | undefined;
  azureBlobStorageConfig?: AzureBlobStorageConfig | undefined;
  /** Output only. */
  outputStats?: string | undefined;
  /** Output only. */
  jobProgress?: JobProgress | undefined;
  inferenceParameters?: RftInferenceParameters | undefined;
  chunkSize?: number | undefined;
  /** Output only. */
  outputMetrics?: string | undefined;
  maxInferenceReplicaCount?: number | undefined;
  nodeCount?: number | undefined;
  lossConfig?: ReinforcementLearningLossConfig | undefined;
  /** Output only. */
  trainerLogsSignedUrl?: string | undefined;
  /** Output only. */
  acceleratorSeconds?: Record<string, string> | undefined;
  maxConcurrentRollouts?: number | undefined;
  maxConcurrentEvaluations?: number | undefined;
  purpose?: Purpose | undefined;
  episodes?: number | undefined;
  mcpServer?: string | undefined;
}

export interface ReinforcementLearningLossConfig {
  method?: LossMethod | undefined;
  klBeta?: number | undefined;
  dpo?: DpoConfig | undefined;
  orpo?: OrpoConfig | undefined;
}

export interface ReplicaStats {
  /** Output only. */
  pendingSchedulingReplicaCount?: number | undefined;
  /** Output only. */
  downloadingModelReplicaCount?: number | undefined;
  /** Output only. */
  initializingReplicaCount?: number | undefined;
  /** Output only. */
  readyReplicaCount?: number | undefined;
  /** Output only. */
  revocableReplicaCount?: number | undefined;
  /** Output only. */
  partialReplicaCount?: number | undefined;
}

export interface Reservation {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  description?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  region?: Region | undefined;
  multiRegion?: MultiRegion | undefined;
  acceleratorType?: AcceleratorType | undefined;
  reservedCount?: number | undefined;
  startTime?: string | undefined;
  endTime?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
}

export type ResourceId = string;

export type ResumeDpoJobRequest = Record<string, never>;

export type ResumeReinforcementFineTuningJobRequest = Record<string, never>;

export type ResumeRlorTrainerJobRequest = Record<string, never>;

export type ResumeSupervisedFineTuningJobRequest = Record<string, never>;

export interface RftInferenceParameters {
  maxOutputTokens?: number | undefined;
  temperature?: number | undefined;
  topP?: number | undefined;
  responseCandidatesCount?: number | undefined;
  extraBody?: string | undefined;
  topK?: number | undefined;
}

export interface RlorTrainerJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  completedTime?: string | undefined;
  dataset?: string | undefined;
  evaluationDataset?: string | undefined;
  evalAutoCarveout?: boolean | undefined;
  /** Output only. */
  state?: JobState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  trainingConfig?: BaseTrainingConfig | undefined;
  rewardWeights?: readonly string[] | undefined;
  wandbConfig?: WandbConfig | undefined;
  awsS3Config?: AwsS3Config | undefined;
  azureBlobStorageConfig?: AzureBlobStorageConfig | undefined;
  /** Output only. */
  jobProgress?: JobProgress | undefined;
  keepAlive?: boolean | undefined;
  rolloutDeploymentName?: string | undefined;
  lossConfig?: ReinforcementLearningLossConfig | undefined;
  nodeCount?: number | undefined;
  /** Output only. */
  acceleratorSeconds?: Record<string, string> | undefined;
  serviceMode?: boolean | undefined;
  /** Output only. */
  directRouteHandle?: string | undefined;
  hotLoadDeploymentId?: string | undefined;
  purpose?: Purpose | undefined;
  forwardOnly?: boolean | undefined;
  managedBy?: string | undefined;
  usePurpose?: string | undefined;
}

export interface RlorTrainerJobCheckpoint {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  /** Output only. */
  checkpointType?: CheckpointType | undefined;
  /** Output only. */
  promotable?: boolean | undefined;
}

export type RollbackEvaluatorRequest = Record<string, never>;

export type RolloutStrategy =
  | "ROLLOUT_STRATEGY_UNSPECIFIED"
  | "ROLLOUT_STRATEGY_STANDARD"
  | "ROLLOUT_STRATEGY_HOT_RELOAD"
  | (string & {});

export interface RollupSettings {
  criteriaWeights?: Record<string, number> | undefined;
  pythonCode?: string | undefined;
  successThreshold?: number | undefined;
}

export interface RpcStatus {
  code?: number | undefined;
  message?: string | undefined;
  details?: readonly Any[] | undefined;
}

export interface ScaleDeploymentRequest {
  replicaCount?: number | undefined;
}

export interface ScalingSchedule {
  minReplicaCount?: number | undefined;
  schedule?: string | undefined;
  duration?: string | undefined;
  timezone?: string | undefined;
  description?: string | undefined;
  disabled?: boolean | undefined;
}

export interface Secret {
  name?: string | undefined;
  keyName?: string | undefined;
  value?: string | undefined;
}

export interface ShellExecutor {
  command?: string | undefined;
}

export interface Snapshot {
  /** Output only. */
  name?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  state?: SnapshotState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  imageRef?: string | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  environmentId?: string | undefined;
}

export type SnapshotState =
  | "STATE_UNSPECIFIED"
  | "CREATING"
  | "READY"
  | "FAILED"
  | "DELETING"
  | (string & {});

export type SnapshotType = "FULL_SNAPSHOT" | "INCREMENTAL_SNAPSHOT" | (string & {});

export interface SplitDatasetRequest {
  chunkSize?: number | undefined;
  parent?: string | undefined;
}

export interface SplitDatasetResponse {
  chunkDatasetNames?: readonly string[] | undefined;
  chunksCreated?: number | undefined;
  totalExamples?: string | undefined;
}

export interface Splitted {
  sourceDatasetId?: string | undefined;
}

export interface Status {
  code?: StatusCode | undefined;
  message?: string | undefined;
}

export type StatusCode =
  | "OK"
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "UNAUTHENTICATED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | (string & {});

export interface SupervisedFineTuningJob {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  /** Output only. */
  createTime?: string | undefined;
  /** Output only. */
  completedTime?: string | undefined;
  dataset?: string | undefined;
  awsS3Config?: AwsS3Config | undefined;
  azureBlobStorageConfig?: AzureBlobStorageConfig | undefined;
  /** Output only. */
  state?: JobState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  createdBy?: string | undefined;
  outputModel?: string | undefined;
  baseModel?: string | undefined;
  warmStartFrom?: string | undefined;
  jinjaTemplate?: string | undefined;
  earlyStop?: boolean | undefined;
  epochs?: number | undefined;
  learningRate?: number | undefined;
  maxContextLength?: number | undefined;
  loraRank?: number | undefined;
  wandbConfig?: WandbConfig | undefined;
  evaluationDataset?: string | undefined;
  isTurbo?: boolean | undefined;
  evalAutoCarveout?: boolean | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  /** @deprecated */
  nodes?: number | undefined;
  batchSize?: number | undefined;
  /** @deprecated */
  mtpEnabled?: boolean | undefined;
  /** @deprecated */
  mtpNumDraftTokens?: number | undefined;
  /** @deprecated */
  mtpFreezeBaseModel?: boolean | undefined;
  /** Output only. */
  jobProgress?: JobProgress | undefined;
  metricsFileSignedUrl?: string | undefined;
  /** Output only. */
  trainerLogsSignedUrl?: string | undefined;
  gradientAccumulationSteps?: number | undefined;
  learningRateWarmupSteps?: number | undefined;
  batchSizeSamples?: number | undefined;
  /** Output only. */
  estimatedCost?: Money | undefined;
  optimizerWeightDecay?: number | undefined;
  purpose?: Purpose | undefined;
  region?: Region | undefined;
  usePurpose?: string | undefined;
}

export type SuspendState =
  | "UNSUSPENDED"
  | "FAILED_PAYMENTS"
  | "CREDIT_DEPLETED"
  | "MONTHLY_SPEND_LIMIT_EXCEEDED"
  | "BLOCKED_BY_ABUSE_RULE"
  | (string & {});

export type TEFTDetails = Record<string, never>;

export interface TrainerShardingScheme {
  tensorParallelism?: number | undefined;
  pipelineParallelism?: number | undefined;
  contextParallelism?: number | undefined;
  expertParallelism?: number | undefined;
  sequenceParallelism?: boolean | undefined;
}

export interface Transformed {
  sourceDatasetId?: string | undefined;
  filter?: string | undefined;
  originalFormat?: DatasetFormat | undefined;
}

export type UndeleteDeploymentRequest = Record<string, never>;

export interface User {
  /** Output only. */
  name?: string | undefined;
  displayName?: string | undefined;
  serviceAccount?: boolean | undefined;
  /** Output only. */
  createTime?: string | undefined;
  role?: string | undefined;
  email?: string | undefined;
  /** Output only. */
  state?: UserState | undefined;
  /** Output only. */
  status?: Status | undefined;
  /** Output only. */
  updateTime?: string | undefined;
  permissionPreset?: string | undefined;
}

export type UserState = "STATE_UNSPECIFIED" | "CREATING" | "READY" | "UPDATING" | "DELETING" | (string & {});

export type UserUploaded = Record<string, never>;

export type ValidateDatasetUploadRequest = Record<string, never>;

export type ValidateEvaluatorUploadRequest = Record<string, never>;

export interface ValidateModelConfigRequest {
  configJson: string;
  tokenizerConfigJson?: string | undefined;
}

export interface ValidateModelUploadResponse {
  warnings?: readonly string[] | undefined;
}

export interface WandbConfig {
  enabled?: boolean | undefined;
  apiKey?: string | undefined;
  project?: string | undefined;
  entity?: string | undefined;
  runId?: string | undefined;
  /** Output only. */
  url?: string | undefined;
}

export type StatefulApiKey = ApiKey & {
  /** It does not work for as long as it is true. */
  disabled?: boolean | undefined;
};

export type UsageGrouping =
  | "account"
  | "user"
  | "key"
  | "model"
  | "deployment"
  | "kind"
  | "hour"
  | "day"
  | (string & {});

/** Numbers as decimal texts, so that none is rounded. */
export interface UsageFigures {
  requests: string;
  promptTokens: string;
  /** Of promptTokens. */
  cachedPromptTokens: string;
  generatedTokens: string;
  audioSeconds: string;
  images: string;
  acceleratorSeconds: string;
  cpuSeconds: string;
  trainingTokens: string;
  /** US dollars. */
  cost: string;
}

export interface UsageGroup {
  account?: string | undefined;
  user?: string | undefined;
  key?: string | undefined;
  model?: string | undefined;
  deployment?: string | undefined;
  kind?: string | undefined;
  hour?: string | undefined;
  day?: string | undefined;
  requests: string;
  promptTokens: string;
  /** Of promptTokens. */
  cachedPromptTokens: string;
  generatedTokens: string;
  audioSeconds: string;
  images: string;
  acceleratorSeconds: string;
  cpuSeconds: string;
  trainingTokens: string;
  /** US dollars. */
  cost: string;
}

export interface UsageReport {
  usage: readonly UsageGroup[];
  /** Of all groups, on every page. */
  total: UsageFigures;
  startTime: string;
  endTime: string;
  nextPageToken: string;
  totalSize: number;
}

export type BillingTier = "TIER_1" | "TIER_2" | "TIER_3" | "TIER_4" | "UNLIMITED" | (string & {});

export type PaymentTerms = "POSTPAID" | "PREPAID" | (string & {});

export interface Billing {
  name?: string | undefined;
  /** Whether usage is owed and limited here. */
  enabled?: boolean | undefined;
  tier?: BillingTier | undefined;
  paymentTerms?: PaymentTerms | undefined;
  /** US dollars as decimal text. */
  monthToDateUsd?: string | undefined;
  /** In force; absent: unlimited. */
  spendLimitUsd?: string | undefined;
  /** The tier's; absent: unlimited. */
  maxSpendLimitUsd?: string | undefined;
  /** US dollars as decimal text. */
  creditBalanceUsd?: string | undefined;
  /** Charged and not paid. */
  outstandingBalanceUsd?: string | undefined;
  suspendState?: SuspendState | undefined;
  spendAlerts?: readonly SpendAlert[] | undefined;
}

export interface SpendAlert {
  month?: string | undefined;
  percent?: number | undefined;
  /** US dollars as decimal text. */
  thresholdUsd?: string | undefined;
  /** US dollars as decimal text. */
  limitUsd?: string | undefined;
  /** US dollars as decimal text. */
  spentUsd?: string | undefined;
  createTime?: string | undefined;
}

export interface BillingTerms {
  /** Null: the one that the account qualifies for. */
  tier?: BillingTier | null | undefined;
  /** Null: `POSTPAID`. */
  paymentTerms?: PaymentTerms | null | undefined;
  /** `BLOCKED_BY_ABUSE_RULE` stops the account until `UNSUSPENDED` or null. */
  suspendState?: SuspendState | null | undefined;
}

export interface Invoice {
  name?: string | undefined;
  state?: "OPEN" | "PAID" | "PAST_DUE" | (string & {}) | undefined;
  periodStart?: string | undefined;
  /** Exclusive. */
  periodEnd?: string | undefined;
  /** US dollars as decimal text. */
  totalUsd?: string | undefined;
  /** US dollars as decimal text. */
  paidUsd?: string | undefined;
  /** US dollars as decimal text. */
  amountDueUsd?: string | undefined;
  createTime?: string | undefined;
  dueTime?: string | undefined;
  /** Of a single invoice alone. */
  lines?: readonly InvoiceLine[] | undefined;
}

export interface InvoiceLine {
  kind?: string | undefined;
  /** A model, a deployment. */
  subject?: string | undefined;
  month?: string | undefined;
  /** The first hour in which it was used. */
  startTime?: string | undefined;
  /** The end of the last hour. */
  endTime?: string | undefined;
  /** US dollars as decimal text. */
  amountUsd?: string | undefined;
}

export interface ListInvoicesResponse {
  invoices?: readonly Invoice[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

/** A movement of money, and its receipt. */
export interface Transaction {
  name?: string | undefined;
  kind?: string | undefined;
  /** US dollars as decimal text. */
  amountUsd?: string | undefined;
  /** What of it paid for what was owed. */
  appliedToBalanceUsd?: string | undefined;
  /** US dollars as decimal text. */
  addedToCreditsUsd?: string | undefined;
  reference?: string | undefined;
  description?: string | undefined;
  createdBy?: string | undefined;
  createTime?: string | undefined;
}

export interface Booking {
  /** US dollars as decimal text. */
  amountUsd: string;
  /** Where the money was seen. */
  reference?: string | undefined;
  description?: string | undefined;
  /** The same again books nothing again. */
  requestId?: string | undefined;
}

export interface CreditBooking {
  /** US dollars as decimal text. */
  amountUsd: string;
  /** Where the money was seen. */
  reference?: string | undefined;
  description?: string | undefined;
  /** The same again books nothing again. */
  requestId?: string | undefined;
  /** Given for free. */
  granted?: boolean | undefined;
}

export interface ListPaymentsResponse {
  payments?: readonly Transaction[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListCreditsResponse {
  credits?: readonly Transaction[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListAdjustmentsResponse {
  adjustments?: readonly Transaction[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface ListTransactionsResponse {
  transactions?: readonly Transaction[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface AuditLog {
  name?: string | undefined;
  createTime?: string | undefined;
  /** The user's full name. */
  actor?: string | undefined;
  keyId?: string | undefined;
  operation?: string | undefined;
  /** What was changed, or the collection that it was to be made in. */
  resource?: string | undefined;
  /** `OK`, or the refusal's code. */
  outcome?: string | undefined;
  requestId?: string | undefined;
}

export interface ListAuditLogsResponse {
  auditLogs?: readonly AuditLog[] | undefined;
  nextPageToken?: string | undefined;
  totalSize?: number | undefined;
}

export interface DeploymentEvent {
  type?: string | undefined;
  message?: string | undefined;
  createTime?: string | undefined;
}

export interface DeploymentEvents {
  events?: readonly DeploymentEvent[] | undefined;
}

/** Chat completion input. */
export interface ChatCompletionRequest {
  /** Model, short, #deployment or deployedModels form. */
  model: string;
  /** Conversation so far. */
  messages: readonly ChatMessage[];
  /** Callable functions. */
  tools?: readonly ChatCompletionTool[] | undefined;
  /** Tool policy; any equals required. */
  tool_choice?: "auto" | "none" | "any" | "required" | (string & {}) | FunctionSelection | undefined;
  /** Allow several calls per turn. */
  parallel_tool_calls?: boolean | null | undefined;
  /** Deprecated; becomes tools. @deprecated */
  functions?: readonly ChatCompletionFunction[] | undefined;
  /** Deprecated; becomes tool_choice. @deprecated */
  function_call?: "auto" | "none" | (string & {}) | FunctionNameSpec | null | undefined;
  /** Prompt cap; oldest turns dropped first. */
  prompt_truncate_len?: number | null | undefined;
  /** Never parse special tokens in user text. */
  safe_tokenization?: boolean | null | undefined;
  /** Send server-sent events. */
  stream?: boolean | null | undefined;
  /** Randomness; 0 is greedy. */
  temperature?: number | null | undefined;
  /** Nucleus mass. */
  top_p?: number | null | undefined;
  /** Candidate cut-off; 0 or null disables. */
  top_k?: number | null | undefined;
  /** Probability floor. */
  min_p?: number | null | undefined;
  /** Typical sampling mass. */
  typical_p?: number | null | undefined;
  /** Choices; each counts against request limits. */
  n?: number | undefined;
  /** Up to four stop strings. */
  stop?: string | readonly string[] | null | undefined;
  /** Output cap; lowered to fit the context. */
  max_tokens?: number | null | undefined;
  /** Alias; never together with max_tokens. */
  max_completion_tokens?: number | null | undefined;
  /** Output floor; suppresses end tokens. */
  min_tokens?: number | null | undefined;
  /** Additive, scales with count. */
  frequency_penalty?: number | null | undefined;
  /** Additive, once per seen token. */
  presence_penalty?: number | null | undefined;
  /** Multiplicative; covers the prompt too. */
  repetition_penalty?: number | null | undefined;
  /** Target perplexity; null disables. */
  mirostat_target?: number | null | undefined;
  /** Mirostat step size. */
  mirostat_lr?: number | null | undefined;
  /** Token ID to additive bias. */
  logit_bias?: Record<string, number> | null | undefined;
  /** Sampling seed. */
  seed?: number | null | undefined;
  /** Integer: legacy form. True: OpenAI form. */
  logprobs?: number | boolean | null | undefined;
  /** Alternatives per token. */
  top_logprobs?: number | null | undefined;
  /** Return the prompt too. */
  echo?: boolean | null | undefined;
  /** Return only the last N prompt tokens. */
  echo_last?: number | null | undefined;
  /** Keep generating past end tokens. */
  ignore_eos?: boolean | undefined;
  /** Lower max_tokens, or reject. */
  context_length_exceeded_behavior?: "truncate" | "error" | (string & {}) | undefined;
  /** Output constraint. */
  response_format?: ResponseFormat | null | undefined;
  /** Guessed output; becomes speculation. */
  prediction?: PredictedOutput | string | null | undefined;
  /** Guessed text or tokens. */
  speculation?: string | readonly number[] | null | undefined;
  /** Faster rewriting; dedicated deployments. */
  rewrite_speculation?: boolean | null | undefined;
  /** Run drafts but discard them. */
  disable_speculation?: boolean | null | undefined;
  /** Force this output; debugging. */
  forced_generation?: string | null | undefined;
  /** Return the last activation; debugging. */
  get_last_activation?: boolean | undefined;
  /** Cacheable prefix limit; 0 disables. */
  prompt_cache_max_len?: number | null | undefined;
  /** Extra cache key; equals the header. */
  prompt_cache_isolation_key?: string | null | undefined;
  /** Affinity key; beats user. */
  prompt_cache_key?: string | null | undefined;
  /** End-user or session key; affinity hint. */
  user?: string | null | undefined;
  /** Add low-level prompt and completion. */
  raw_output?: boolean | null | undefined;
  /** Put timing metrics in the body. */
  perf_metrics_in_response?: boolean | null | undefined;
  /** Only priority changes anything. */
  service_tier?: "auto" | "default" | "flex" | "priority" | (string & {}) | undefined;
  /** Trace labels. */
  metadata?: Record<string, string> | null | undefined;
  /** Level, token cap, or switch (true=medium, false=none). */
  reasoning_effort?:
    | "low"
    | "medium"
    | "high"
    | "max"
    | "none"
    | (string & {})
    | number
    | boolean
    | null
    | undefined;
  /** Keep earlier reasoning in the prompt. */
  reasoning_history?: "disabled" | "interleaved" | "preserved" | null | undefined;
  /** Alternative to reasoning_effort; never both. */
  thinking?: ThinkingEnabled | ThinkingDisabled | null | undefined;
  /** Return token IDs. */
  return_token_ids?: boolean | null | undefined;
  /** OpenAI usage switch. */
  stream_options?: StreamOptions | null | undefined;
  /** Begin a turn of the assistant after the last message. */
  add_generation_prompt?: boolean | null | undefined;
  /** Continue the text of the assistant's last message. */
  continue_final_message?: boolean | null | undefined;
  /** Reasoning beside the content, or as a think block in front of it. */
  reasoning_format?: "parsed" | "raw" | null | undefined;
}

/** Text completion input. */
export interface CompletionRequest {
  /** Model, short, #deployment or deployedModels form. */
  model: string;
  /** Text, tokens, or batches of either. */
  prompt: SinglePrompt | readonly number[] | readonly (SinglePrompt | readonly number[])[];
  /** URLs or data URIs, one per <image> marker. */
  images?: readonly string[] | readonly (readonly string[])[] | null | undefined;
  /** Send server-sent events. */
  stream?: boolean | null | undefined;
  /** Randomness; 0 is greedy. */
  temperature?: number | null | undefined;
  /** Nucleus mass. */
  top_p?: number | null | undefined;
  /** Candidate cut-off; 0 or null disables. */
  top_k?: number | null | undefined;
  /** Probability floor. */
  min_p?: number | null | undefined;
  /** Typical sampling mass. */
  typical_p?: number | null | undefined;
  /** Choices; each counts against request limits. */
  n?: number | undefined;
  /** Up to four stop strings. */
  stop?: string | readonly string[] | null | undefined;
  /** Output cap; lowered to fit the context. */
  max_tokens?: number | null | undefined;
  /** Alias; never together with max_tokens. */
  max_completion_tokens?: number | null | undefined;
  /** Output floor; suppresses end tokens. */
  min_tokens?: number | null | undefined;
  /** Additive, scales with count. */
  frequency_penalty?: number | null | undefined;
  /** Additive, once per seen token. */
  presence_penalty?: number | null | undefined;
  /** Multiplicative; covers the prompt too. */
  repetition_penalty?: number | null | undefined;
  /** Target perplexity; null disables. */
  mirostat_target?: number | null | undefined;
  /** Mirostat step size. */
  mirostat_lr?: number | null | undefined;
  /** Token ID to additive bias. */
  logit_bias?: Record<string, number> | null | undefined;
  /** Sampling seed. */
  seed?: number | null | undefined;
  /** Integer: legacy form. True: OpenAI form. */
  logprobs?: number | boolean | null | undefined;
  /** Alternatives per token. */
  top_logprobs?: number | null | undefined;
  /** Return the prompt too. */
  echo?: boolean | null | undefined;
  /** Return only the last N prompt tokens. */
  echo_last?: number | null | undefined;
  /** Keep generating past end tokens. */
  ignore_eos?: boolean | undefined;
  /** Lower max_tokens, or reject. */
  context_length_exceeded_behavior?: "truncate" | "error" | (string & {}) | undefined;
  /** Output constraint. */
  response_format?: ResponseFormat | null | undefined;
  /** Guessed output; becomes speculation. */
  prediction?: PredictedOutput | string | null | undefined;
  /** Guessed text or tokens. */
  speculation?: string | readonly number[] | null | undefined;
  /** Faster rewriting; dedicated deployments. */
  rewrite_speculation?: boolean | null | undefined;
  /** Run drafts but discard them. */
  disable_speculation?: boolean | null | undefined;
  /** Force this output; debugging. */
  forced_generation?: string | null | undefined;
  /** Return the last activation; debugging. */
  get_last_activation?: boolean | undefined;
  /** Cacheable prefix limit; 0 disables. */
  prompt_cache_max_len?: number | null | undefined;
  /** Extra cache key; equals the header. */
  prompt_cache_isolation_key?: string | null | undefined;
  /** Affinity key; beats user. */
  prompt_cache_key?: string | null | undefined;
  /** End-user or session key; affinity hint. */
  user?: string | null | undefined;
  /** Add low-level prompt and completion. */
  raw_output?: boolean | null | undefined;
  /** Put timing metrics in the body. */
  perf_metrics_in_response?: boolean | null | undefined;
  /** Only priority changes anything. */
  service_tier?: "auto" | "default" | "flex" | "priority" | (string & {}) | undefined;
  /** Trace labels. */
  metadata?: Record<string, string> | null | undefined;
  /** Level, token cap, or switch (true=medium, false=none). */
  reasoning_effort?:
    | "low"
    | "medium"
    | "high"
    | "max"
    | "none"
    | (string & {})
    | number
    | boolean
    | null
    | undefined;
  /** Keep earlier reasoning in the prompt. */
  reasoning_history?: "disabled" | "interleaved" | "preserved" | null | undefined;
  /** Alternative to reasoning_effort; never both. */
  thinking?: ThinkingEnabled | ThinkingDisabled | null | undefined;
  /** Return token IDs. */
  return_token_ids?: boolean | null | undefined;
  /** OpenAI usage switch. */
  stream_options?: StreamOptions | null | undefined;
}

/** A text, or an object that holds a text or tokens. */
export type SinglePrompt =
  | string
  | {
      prompt: string;
    }
  | {
      prompt_token_ids: readonly number[];
    };

export interface StreamOptions {
  include_usage?: boolean | null | undefined;
}

export interface ThinkingEnabled {
  type: "enabled";
  budget_tokens?: number | null | undefined;
}

export interface ThinkingDisabled {
  type: "disabled";
}

/** Guessed output. */
export interface PredictedOutput {
  type?: "content" | undefined;
  content: string | readonly ChatMessageContent[];
}

/** Output constraint. */
export interface ResponseFormat {
  type: "text" | "json_object" | "json_schema" | "grammar" | (string & {});
  /** JSON schema for json_object; object or text. */
  schema?: Record<string, unknown> | string | null | undefined;
  /** OpenAI wrapper or bare schema. */
  json_schema?: JsonSchemaSpec | Record<string, unknown> | string | null | undefined;
  /** GBNF text for grammar. */
  grammar?: string | null | undefined;
}

/** OpenAI wrapper. */
export interface JsonSchemaSpec {
  name?: string | undefined;
  description?: string | undefined;
  schema: Record<string, unknown>;
  strict?: boolean | null | undefined;
}

export interface FunctionNameSpec {
  name: string;
}

/** Forces a tool call. */
export interface FunctionSelection {
  type: "function";
  /** Absent means any function. */
  function?: FunctionNameSpec | null | undefined;
  /** Short form. */
  name?: string | undefined;
}

export interface ChatCompletionTool {
  type: "function";
  function?: ChatCompletionFunction | null | undefined;
}

export interface ChatCompletionFunction {
  name: string;
  description?: string | null | undefined;
  /** JSON schema, top level object. */
  parameters?: Record<string, unknown> | undefined;
  strict?: boolean | null | undefined;
}

/** One turn. */
export interface ChatMessage {
  /** Author. */
  role: "system" | "user" | "assistant" | "tool" | "developer" | "function" | (string & {});
  /** Null allowed beside tool_calls. */
  content?: string | readonly ChatMessageContent[] | null | undefined;
  /** Author label. */
  name?: string | null | undefined;
  /** Calls made by the assistant. */
  tool_calls?: readonly ToolCall[] | null | undefined;
  /** Answered call; may be left out. */
  tool_call_id?: string | null | undefined;
  /** Reasoning text. */
  reasoning_content?: string | null | undefined;
}

/** Message part. */
export interface ChatMessageContent {
  type: "text" | "image_url" | "video_url" | "input_audio" | "audio_url" | (string & {});
  text?: string | null | undefined;
  image_url?: ImageUrl | null | undefined;
  video_url?: VideoUrl | null | undefined;
  audio_url?: ImageUrl | null | undefined;
}

export interface ImageUrl {
  /** http(s) URL or data:<mime>;base64 URI. */
  url: string;
  detail?: string | null | undefined;
}

export interface VideoUrl {
  url: string;
  detail?: string | null | undefined;
  max_frames?: number | null | undefined;
  sample_fps?: number | null | undefined;
  spatial_limit?: number | null | undefined;
}

export interface ToolCall {
  /** Always present; OpenAI streaming needs it. */
  index?: number | undefined;
  /** call_ prefix. */
  id?: string | undefined;
  type?: "function" | undefined;
  function: ToolCallFunction;
}

export interface ToolCallFunction {
  name?: string | null | undefined;
  /** JSON text; objects accepted on input. */
  arguments?: string | Record<string, unknown> | null | undefined;
}

/** Partial tool call. */
export interface ToolCallDelta {
  index: number;
  id?: string | null | undefined;
  type?: "function" | undefined;
  function?: ToolCallFunction | undefined;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens?: number | null | undefined;
  total_tokens: number;
  prompt_tokens_details?: PromptTokensDetails | null | undefined;
}

export interface PromptTokensDetails {
  cached_tokens?: number | null | undefined;
}

/** Returned when logprobs is an integer. */
export interface LegacyLogProbs {
  tokens?: readonly string[] | undefined;
  token_ids?: readonly number[] | null | undefined;
  /** Natural log. */
  token_logprobs?: readonly number[] | undefined;
  top_logprobs?: readonly Record<string, number>[] | null | undefined;
  text_offset?: readonly number[] | undefined;
}

/** Returned when logprobs is true. */
export interface LogProbs {
  content?: readonly LogProbsContent[] | undefined;
}

export interface LogProbsContent {
  token: string;
  logprob: number;
  bytes: readonly number[];
  top_logprobs?: readonly TopLogProb[] | undefined;
  token_id?: number | undefined;
  text_offset?: number | undefined;
  /** After sampling filters. */
  sampling_logprob?: number | null | undefined;
  last_activation?: string | null | undefined;
  routing_matrix?: string | null | undefined;
}

export interface TopLogProb {
  token: string;
  logprob: number;
  token_id?: number | undefined;
  bytes?: readonly number[] | undefined;
}

/** Debug view. */
export interface RawOutput {
  /** Pieces before truncation. */
  prompt_fragments: readonly (string | number)[];
  prompt_token_ids: readonly number[];
  /** Before tool parsing. */
  completion: string;
  completion_logprobs?: LogProbs | null | undefined;
  completion_token_ids?: readonly number[] | null | undefined;
  images?: readonly string[] | null | undefined;
  videos?: readonly string[] | null | undefined;
  grammar?: string | null | undefined;
}

/** Seconds or counts; header name is fireworks-<key>. */
export interface PerfMetrics {
  "prompt-tokens"?: number | string | undefined;
  "cached-prompt-tokens"?: number | string | undefined;
  "server-time-to-first-token"?: number | string | undefined;
  "server-processing-time"?: number | string | undefined;
  "speculation-prompt-tokens"?: number | string | undefined;
  "speculation-prompt-matched-tokens"?: number | string | undefined;
  "speculation-generated-tokens"?: number | string | undefined;
  "speculation-acceptance"?: number | string | undefined;
  "backend-host"?: number | string | undefined;
  "num-concurrent-requests"?: number | string | undefined;
  deployment?: number | string | undefined;
  "tokenizer-queue-duration"?: number | string | undefined;
  "tokenizer-duration"?: number | string | undefined;
  "prefill-queue-duration"?: number | string | undefined;
  "prefill-duration"?: number | string | undefined;
  "generation-queue-duration"?: number | string | undefined;
  "generation-duration"?: number | string | undefined;
}

export interface ChatCompletionResponse {
  id: string;
  object: "chat.completion";
  /** Unix seconds. */
  created: number;
  model: string;
  /** Names the configuration that the model runs with. */
  system_fingerprint?: string | null | undefined;
  choices: readonly ChatCompletionChoice[];
  usage?: Usage | null | undefined;
  perf_metrics?: PerfMetrics | null | undefined;
  prompt_token_ids?: readonly number[] | null | undefined;
}

export interface ChatCompletionChoice {
  index: number;
  message: ChatCompletionMessage;
  finish_reason: "stop" | "length" | "tool_calls" | "function_call" | "error" | null;
  logprobs?: LegacyLogProbs | LogProbs | null | undefined;
  raw_output?: RawOutput | null | undefined;
  token_ids?: readonly number[] | null | undefined;
}

/** Assistant reply. */
export interface ChatCompletionMessage {
  role: "assistant";
  content: string | null;
  tool_calls?: readonly ToolCall[] | null | undefined;
  /** Reasoning kept apart from content. */
  reasoning_content?: string | null | undefined;
}

/** One SSE event. */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  /** Unix seconds. */
  created: number;
  model: string;
  /** Names the configuration that the model runs with. */
  system_fingerprint?: string | null | undefined;
  choices: readonly ChatCompletionChunkChoice[];
  /** Set on the finish chunk. */
  usage?: Usage | null | undefined;
  perf_metrics?: PerfMetrics | null | undefined;
  prompt_token_ids?: readonly number[] | null | undefined;
}

export interface ChatCompletionChunkChoice {
  index: number;
  delta: ChatDelta;
  finish_reason: "stop" | "length" | "tool_calls" | "function_call" | "error" | null;
  logprobs?: LegacyLogProbs | LogProbs | null | undefined;
  raw_output?: RawOutput | null | undefined;
  token_ids?: readonly number[] | null | undefined;
  prompt_token_ids?: readonly number[] | null | undefined;
}

export interface ChatDelta {
  /** First chunk only. */
  role?: string | null | undefined;
  content?: string | null | undefined;
  reasoning_content?: string | null | undefined;
  tool_calls?: readonly ToolCallDelta[] | null | undefined;
}

export interface CompletionResponse {
  id: string;
  object: "text_completion";
  /** Unix seconds. */
  created: number;
  model: string;
  /** Names the configuration that the model runs with. */
  system_fingerprint?: string | null | undefined;
  choices: readonly CompletionChoice[];
  usage: Usage | null;
  perf_metrics?: PerfMetrics | null | undefined;
}

export interface CompletionChoice {
  index: number;
  text: string;
  finish_reason: "stop" | "length" | "error" | null;
  logprobs: LegacyLogProbs | LogProbs | null;
  raw_output?: RawOutput | null | undefined;
  token_ids?: readonly number[] | null | undefined;
  prompt_token_ids?: readonly number[] | null | undefined;
}

/** One SSE event. */
export interface CompletionChunk {
  id: string;
  object: "text_completion";
  /** Unix seconds. */
  created: number;
  model: string;
  /** Names the configuration that the model runs with. */
  system_fingerprint?: string | null | undefined;
  choices: readonly CompletionChoice[];
  /** Set on the finish chunk. */
  usage?: Usage | null | undefined;
  perf_metrics?: PerfMetrics | null | undefined;
}

/** Embedding input. */
export interface EmbeddingRequest {
  /** Embedding model or Hub-style name. */
  model: string;
  /** Text, tokens, batches; objects need prompt_template. */
  input:
    | string
    | readonly string[]
    | readonly number[]
    | readonly (readonly number[])[]
    | Record<string, unknown>
    | readonly Record<string, unknown>[];
  /** Truncate vectors; supporting models only. */
  dimensions?: number | null | undefined;
  /** Vector encoding. */
  encoding_format?: "float" | "base64" | (string & {}) | undefined;
  /** End-user key. */
  user?: string | null | undefined;
  /** Template over object inputs. */
  prompt_template?: string | null | undefined;
  /** Return logits of these tokens. */
  return_logits?: readonly number[] | null | undefined;
  /** Scale to unit length. */
  normalize?: boolean | null | undefined;
  /** Split factor. */
  fanout_size?: number | null | undefined;
  prompt_cache_key?: string | null | undefined;
  prompt_cache_isolation_key?: string | null | undefined;
  raw_output?: boolean | null | undefined;
  perf_metrics_in_response?: boolean | null | undefined;
}

export interface Embedding {
  object: "embedding";
  index: number;
  embedding: readonly number[] | string;
}

export interface EmbeddingResponse {
  object: "list";
  data: readonly Embedding[];
  model: string;
  usage: EmbeddingUsage;
}

export interface EmbeddingUsage {
  prompt_tokens: number;
  total_tokens: number;
}

/** Rerank input. */
export interface RerankRequest {
  model?: string | null | undefined;
  query: string;
  documents: readonly string[];
  top_n?: number | null | undefined;
  return_documents?: boolean | undefined;
  /** Instruction. */
  task?: string | null | undefined;
}

export interface RerankResponse {
  object: "list";
  model: string;
  /** Best first. */
  data: readonly RerankResult[];
  usage?: Usage | undefined;
}

export interface RerankResult {
  index: number;
  relevance_score: number;
  /** Plain text, not an object. */
  document?: string | null | undefined;
}

export interface ModelList {
  object: "list";
  data: readonly ModelEntry[];
}

export interface ModelEntry {
  /** accounts/{account}/models/{model}. */
  id: string;
  object: "model";
  created: number;
  /** Account ID. */
  owned_by: string;
  /** ModelKind of the control plane. */
  kind?: string | undefined;
  supports_chat?: boolean | undefined;
  supports_image_input?: boolean | undefined;
  supports_tools?: boolean | undefined;
  context_length?: number | null | undefined;
}

/** Spoken language codes. */
export type AudioLanguage =
  | "en"
  | "zh"
  | "de"
  | "es"
  | "ru"
  | "ko"
  | "fr"
  | "ja"
  | "pt"
  | "tr"
  | "pl"
  | "ca"
  | "nl"
  | "ar"
  | "sv"
  | "it"
  | "id"
  | "hi"
  | "fi"
  | "vi"
  | "he"
  | "uk"
  | "el"
  | "ms"
  | "cs"
  | "ro"
  | "da"
  | "hu"
  | "ta"
  | "no"
  | "th"
  | "ur"
  | "hr"
  | "bg"
  | "lt"
  | "la"
  | "mi"
  | "ml"
  | "cy"
  | "sk"
  | "te"
  | "fa"
  | "lv"
  | "bn"
  | "sr"
  | "az"
  | "sl"
  | "kn"
  | "et"
  | "mk"
  | "br"
  | "eu"
  | "is"
  | "hy"
  | "ne"
  | "mn"
  | "bs"
  | "kk"
  | "sq"
  | "sw"
  | "gl"
  | "mr"
  | "pa"
  | "si"
  | "km"
  | "sn"
  | "yo"
  | "so"
  | "af"
  | "oc"
  | "ka"
  | "be"
  | "tg"
  | "sd"
  | "gu"
  | "am"
  | "yi"
  | "lo"
  | "uz"
  | "fo"
  | "ht"
  | "ps"
  | "tk"
  | "nn"
  | "mt"
  | "sa"
  | "lb"
  | "my"
  | "bo"
  | "tl"
  | "mg"
  | "as"
  | "tt"
  | "haw"
  | "ln"
  | "ha"
  | "ba"
  | "jw"
  | "su"
  | "yue"
  | (string & {});

/** Multipart form. */
export interface TranscriptionRequest {
  /** Upload or public URL; at most 1 GB. */
  file: Blob | string;
  /** Speech model. */
  model?: "whisper-v3" | "whisper-v3-turbo" | (string & {}) | undefined;
  /** Voice activity model. */
  vad_model?: "silero" | "whisperx-pyannet" | (string & {}) | undefined;
  /** Word alignment model. */
  alignment_model?: "mms_fa" | "tdnn_ffn" | "gentle" | (string & {}) | undefined;
  /** Detected when absent. */
  language?: AudioLanguage | null | undefined;
  /** Vocabulary or style hint. */
  prompt?: string | null | undefined;
  /** Number, or comma list for fallback. */
  temperature?: number | readonly number[] | string | undefined;
  /** Output form. */
  response_format?: "json" | "text" | "srt" | "verbose_json" | "vtt" | (string & {}) | undefined;
  /** Needs verbose_json. */
  timestamp_granularities?: string | readonly ("word" | "segment" | (string & {}))[] | undefined;
  /** Needs verbose_json and word granularity. */
  diarize?: "true" | "false" | (string & {}) | undefined;
  /** Needs diarize. */
  min_speakers?: number | undefined;
  /** Needs diarize; default unlimited. */
  max_speakers?: number | undefined;
  /** Loudness treatment. */
  preprocessing?: "none" | "dynamic" | "soft_dynamic" | "bass_dynamic" | (string & {}) | undefined;
}

/** Multipart form. */
export interface TranslationRequest {
  /** Upload or public URL; at most 1 GB. */
  file: Blob | string;
  /** Speech model. */
  model?: "whisper-v3" | "whisper-v3-turbo" | (string & {}) | undefined;
  /** Voice activity model. */
  vad_model?: "silero" | "whisperx-pyannet" | (string & {}) | undefined;
  /** Word alignment model. */
  alignment_model?: "mms_fa" | "tdnn_ffn" | "gentle" | (string & {}) | undefined;
  /** Detected when absent. */
  language?: AudioLanguage | null | undefined;
  /** Vocabulary or style hint. */
  prompt?: string | null | undefined;
  /** Number, or comma list for fallback. */
  temperature?: number | readonly number[] | string | undefined;
  /** Output form. */
  response_format?: "json" | "text" | "srt" | "verbose_json" | "vtt" | (string & {}) | undefined;
  /** Needs verbose_json. */
  timestamp_granularities?: string | readonly ("word" | "segment" | (string & {}))[] | undefined;
  /** Loudness treatment. */
  preprocessing?: "none" | "dynamic" | "soft_dynamic" | "bass_dynamic" | (string & {}) | undefined;
}

export interface TranscriptionJson {
  text: string;
}

export interface TranscriptionVerbose {
  task: "transcribe" | "translate" | (string & {});
  language: string;
  /** Seconds. */
  duration: number;
  text: string;
  words?: readonly TranscriptionWord[] | null | undefined;
  segments?: readonly TranscriptionSegment[] | null | undefined;
}

export interface TranscriptionWord {
  word: string;
  start: number;
  end: number;
  /** Only with diarize. */
  speaker_id?: string | undefined;
}

export interface TranscriptionSegment {
  id: number;
  seek?: number | undefined;
  start: number;
  end: number;
  text: string;
  tokens?: readonly number[] | undefined;
  temperature?: number | undefined;
  avg_logprob?: number | undefined;
  compression_ratio?: number | undefined;
  no_speech_prob?: number | undefined;
}

export interface BatchSubmitResponse {
  status: "submitted" | (string & {});
  batch_id: string;
  account_id: string;
  endpoint_id: "audio-prod" | "audio-turbo" | (string & {});
  message?: string | null | undefined;
}

export interface BatchStatusResponse {
  status: "processing" | "completed" | "failed" | (string & {});
  batch_id: string;
  /** Null once completed. */
  message?: string | null | undefined;
  /** How to parse body. */
  content_type?: string | null | undefined;
  /** Result text, present only when completed. */
  body?: string | null | undefined;
}

/** Server message; replace text by id. */
export interface StreamingTranscriptUpdate {
  segments: readonly {
    id: string;
    text: string;
  }[];
}

/** Client sends; server echoes when drained. */
export interface StreamingCheckpoint {
  checkpoint_id: string;
}

/** Newer equivalent of a checkpoint. */
export interface StreamingTrace {
  object: "stt.input.trace" | "stt.output.trace" | (string & {});
  trace_id: string;
  event_id?: string | null | undefined;
}

/** SDXL-family text to image. */
export interface ImageFromTextRequest {
  prompt: string;
  negative_prompt?: string | null | undefined;
  height?: number | undefined;
  width?: number | undefined;
  cfg_scale?: number | undefined;
  sampler?: string | null | undefined;
  samples?: number | undefined;
  /** 0 or absent means random. */
  seed?: number | undefined;
  steps?: number | undefined;
  safety_check?: boolean | undefined;
  style_preset?: string | null | undefined;
}

/** Multipart form. */
export interface ImageFromImageRequest {
  init_image: Blob;
  init_image_mode?: "IMAGE_STRENGTH" | "STEP_SCHEDULE" | (string & {}) | undefined;
  image_strength?: number | undefined;
  prompt?: string | undefined;
  negative_prompt?: string | null | undefined;
  height?: number | undefined;
  width?: number | undefined;
  cfg_scale?: number | undefined;
  sampler?: string | null | undefined;
  samples?: number | undefined;
  /** 0 or absent means random. */
  seed?: number | undefined;
  steps?: number | undefined;
  safety_check?: boolean | undefined;
  step_schedule_start?: number | undefined;
  step_schedule_end?: number | undefined;
}

/** Multipart form; image fitted to width and height. */
export interface ImageControlNetRequest {
  control_image: Blob;
  control_net_name?: string | undefined;
  conditioning_scale?: number | undefined;
  prompt: string;
  negative_prompt?: string | null | undefined;
  height?: number | undefined;
  width?: number | undefined;
  cfg_scale?: number | undefined;
  sampler?: string | null | undefined;
  samples?: number | undefined;
  /** 0 or absent means random. */
  seed?: number | undefined;
  steps?: number | undefined;
  safety_check?: boolean | undefined;
  step_schedule_start?: number | undefined;
  step_schedule_end?: number | undefined;
}

/** Multipart form. */
export interface CannyRequest {
  image: Blob;
  min_val?: number | undefined;
  max_val?: number | undefined;
}

/** QR control image. */
export interface QrCodeRequest {
  prompt?: string | undefined;
  height?: number | undefined;
  width?: number | undefined;
  model?: string | undefined;
}

/** One image when Accept is application/json. */
export interface ImageJson {
  base64: string;
  finishReason?: "SUCCESS" | "CONTENT_FILTERED" | "ERROR" | (string & {}) | undefined;
  seed?: number | undefined;
}

/** FLUX text to image; one image per call. */
export interface WorkflowTextToImageRequest {
  prompt: string;
  aspect_ratio?:
    | "1:1"
    | "2:3"
    | "3:2"
    | "4:5"
    | "5:4"
    | "16:9"
    | "9:16"
    | "9:21"
    | "21:9"
    | (string & {})
    | undefined;
  guidance_scale?: number | undefined;
  num_inference_steps?: number | undefined;
  seed?: number | undefined;
  samples?: number | undefined;
}

/** FLUX Kontext edit or generation. */
export interface WorkflowSubmitRequest {
  prompt: string;
  /** Data URI or URL. */
  input_image?: string | readonly string[] | null | undefined;
  aspect_ratio?: string | undefined;
  seed?: number | undefined;
  output_format?: "jpeg" | "png" | (string & {}) | undefined;
  prompt_upsampling?: boolean | null | undefined;
  safety_tolerance?: number | null | undefined;
}

export interface WorkflowSubmitResponse {
  request_id: string;
}

export interface WorkflowResultRequest {
  id: string;
}

export interface WorkflowResultResponse {
  id: string;
  status: "Pending" | "Ready" | "Error" | "Failed" | (string & {});
  result: {
    /** Image URL. */
    sample?: string | undefined;
  } | null;
}

/** Data-plane error. */
export interface ErrorResponse {
  error: ErrorBody | string;
}

export interface ErrorBody {
  message: string;
  /** Always "error". */
  object?: string | null | undefined;
  /** The error table's type. */
  type?: string | null | undefined;
  /** Upper-case name such as NOT_FOUND. */
  code?: string | number | null | undefined;
  /** Offending field or null. */
  param?: unknown | undefined;
}

/** FastAPI form; audio 422 and newer text API. */
export interface HttpValidationError {
  detail?:
    | readonly {
        loc: readonly (string | number)[];
        msg: string;
        type: string;
      }[]
    | undefined;
}

export interface AnthropicMessage {
  id: string;
  type: "message";
  role: "assistant";
  content: readonly AnthropicContentBlock[];
  model: AnthropicModel;
  stop_reason: AnthropicStopReason | null;
  stop_sequence: string | null;
  raw_output?: AnthropicRawOutput | null | undefined;
  usage?: AnthropicUsage | undefined;
}

export type AnthropicContentBlock =
  | AnthropicResponseTextBlock
  | AnthropicResponseThinkingBlock
  | AnthropicResponseRedactedThinkingBlock
  | AnthropicResponseToolUseBlock;

export interface AnthropicResponseTextBlock {
  citations:
    | readonly (
        | AnthropicResponseCharLocationCitation
        | AnthropicResponsePageLocationCitation
        | AnthropicResponseContentBlockLocationCitation
        | AnthropicResponseWebSearchResultLocationCitation
        | AnthropicResponseSearchResultLocationCitation
      )[]
    | null;
  text: string;
  type: "text";
}

export interface AnthropicResponseCharLocationCitation {
  cited_text: string;
  document_index: number;
  document_title: string | null;
  end_char_index: number;
  file_id: string | null;
  start_char_index: number;
  type: "char_location";
}

export interface AnthropicResponsePageLocationCitation {
  cited_text: string;
  document_index: number;
  document_title: string | null;
  end_page_number: number;
  file_id: string | null;
  start_page_number: number;
  type: "page_location";
}

export interface AnthropicResponseContentBlockLocationCitation {
  cited_text: string;
  document_index: number;
  document_title: string | null;
  end_block_index: number;
  file_id: string | null;
  start_block_index: number;
  type: "content_block_location";
}

export interface AnthropicResponseWebSearchResultLocationCitation {
  cited_text: string;
  encrypted_index: string;
  title: string | null;
  type: "web_search_result_location";
  url: string;
}

export interface AnthropicResponseSearchResultLocationCitation {
  cited_text: string;
  end_block_index: number;
  search_result_index: number;
  source: string;
  start_block_index: number;
  title: string | null;
  type: "search_result_location";
}

export interface AnthropicResponseThinkingBlock {
  signature: string;
  thinking: string;
  type: "thinking";
}

export interface AnthropicResponseRedactedThinkingBlock {
  data: string;
  type: "redacted_thinking";
}

export interface AnthropicResponseToolUseBlock {
  id: string;
  input: Record<string, unknown>;
  name: string;
  type: "tool_use";
}

export interface AnthropicBase64PDFSource {
  data: string;
  media_type: "application/pdf";
  type: "base64";
}

export interface AnthropicPlainTextSource {
  data: string;
  media_type: "text/plain";
  type: "text";
}

export type AnthropicModel = string;

export type AnthropicStopReason =
  | "end_turn"
  | "max_tokens"
  | "stop_sequence"
  | "tool_use"
  | "pause_turn"
  | "refusal"
  | (string & {});

export interface AnthropicErrorResponse {
  error:
    | AnthropicInvalidRequestError
    | AnthropicAuthenticationError
    | AnthropicBillingError
    | AnthropicPermissionError
    | AnthropicNotFoundError
    | AnthropicRateLimitError
    | AnthropicGatewayTimeoutError
    | AnthropicAPIError
    | AnthropicOverloadedError;
  request_id: string | null;
  type: "error";
}

export interface AnthropicInvalidRequestError {
  message: string;
  type: "invalid_request_error";
}

export interface AnthropicAuthenticationError {
  message: string;
  type: "authentication_error";
}

export interface AnthropicBillingError {
  message: string;
  type: "billing_error";
}

export interface AnthropicPermissionError {
  message: string;
  type: "permission_error";
}

export interface AnthropicNotFoundError {
  message: string;
  type: "not_found_error";
}

export interface AnthropicRateLimitError {
  message: string;
  type: "rate_limit_error";
}

export interface AnthropicGatewayTimeoutError {
  message: string;
  type: "timeout_error";
}

export interface AnthropicAPIError {
  message: string;
  type: "api_error";
}

export interface AnthropicOverloadedError {
  message: string;
  type: "overloaded_error";
}

export interface AnthropicCreateMessageParams {
  model: AnthropicModel;
  messages: readonly AnthropicInputMessage[];
  max_tokens?: number | undefined;
  metadata?: AnthropicMetadata | undefined;
  output_config?: AnthropicOutputConfig | undefined;
  stop_sequences?: readonly string[] | undefined;
  stream?: boolean | undefined;
  system?: string | readonly AnthropicRequestTextBlock[] | undefined;
  temperature?: number | undefined;
  thinking?: AnthropicThinkingConfigParam | undefined;
  tool_choice?: AnthropicToolChoice | undefined;
  tools?: readonly AnthropicTool[] | undefined;
  top_k?: number | undefined;
  top_p?: number | undefined;
  raw_output?: boolean | null | undefined;
}

export interface AnthropicInputMessage {
  content: string | readonly AnthropicInputContentBlock[];
  role: "user" | "assistant" | (string & {});
}

export type AnthropicInputContentBlock =
  | AnthropicRequestTextBlock
  | AnthropicRequestImageBlock
  | AnthropicRequestDocumentBlock
  | AnthropicRequestThinkingBlock
  | AnthropicRequestRedactedThinkingBlock
  | AnthropicRequestToolUseBlock
  | AnthropicRequestToolResultBlock;

export interface AnthropicRequestTextBlock {
  cache_control?: AnthropicCacheControlEphemeral | null | undefined;
  citations?:
    | readonly (
        | AnthropicRequestCharLocationCitation
        | AnthropicRequestPageLocationCitation
        | AnthropicRequestContentBlockLocationCitation
        | AnthropicRequestWebSearchResultLocationCitation
        | AnthropicRequestSearchResultLocationCitation
      )[]
    | null
    | undefined;
  text: string;
  type: "text";
}

export interface AnthropicCacheControlEphemeral {
  ttl?: "5m" | "1h" | (string & {}) | undefined;
  type: "ephemeral";
}

export interface AnthropicRequestCharLocationCitation {
  cited_text: string;
  document_index: number;
  document_title: string | null;
  end_char_index: number;
  start_char_index: number;
  type: "char_location";
}

export interface AnthropicRequestPageLocationCitation {
  cited_text: string;
  document_index: number;
  document_title: string | null;
  end_page_number: number;
  start_page_number: number;
  type: "page_location";
}

export interface AnthropicRequestContentBlockLocationCitation {
  cited_text: string;
  document_index: number;
  document_title: string | null;
  end_block_index: number;
  start_block_index: number;
  type: "content_block_location";
}

export interface AnthropicRequestWebSearchResultLocationCitation {
  cited_text: string;
  encrypted_index: string;
  title: string | null;
  type: "web_search_result_location";
  url: string;
}

export interface AnthropicRequestSearchResultLocationCitation {
  cited_text: string;
  end_block_index: number;
  search_result_index: number;
  source: string;
  start_block_index: number;
  title: string | null;
  type: "search_result_location";
}

export interface AnthropicRequestImageBlock {
  cache_control?: AnthropicCacheControlEphemeral | null | undefined;
  source: AnthropicBase64ImageSource | AnthropicURLImageSource;
  type: "image";
}

export interface AnthropicBase64ImageSource {
  data: string;
  media_type: "image/jpeg" | "image/png" | "image/gif" | "image/webp" | (string & {});
  type: "base64";
}

export interface AnthropicURLImageSource {
  type: "url";
  url: string;
}

export interface AnthropicRequestDocumentBlock {
  cache_control?: AnthropicCacheControlEphemeral | null | undefined;
  citations?: AnthropicRequestCitationsConfig | null | undefined;
  context?: string | null | undefined;
  source:
    | AnthropicBase64PDFSource
    | AnthropicPlainTextSource
    | AnthropicContentBlockSource
    | AnthropicURLPDFSource;
  title?: string | null | undefined;
  type: "document";
}

export interface AnthropicRequestCitationsConfig {
  enabled?: boolean | undefined;
}

export interface AnthropicContentBlockSource {
  content: string | readonly (AnthropicRequestTextBlock | AnthropicRequestImageBlock)[];
  type: "content";
}

export interface AnthropicURLPDFSource {
  type: "url";
  url: string;
}

export interface AnthropicRequestThinkingBlock {
  signature: string;
  thinking: string;
  type: "thinking";
}

export interface AnthropicRequestRedactedThinkingBlock {
  data: string;
  type: "redacted_thinking";
}

export interface AnthropicRequestToolUseBlock {
  cache_control?: AnthropicCacheControlEphemeral | null | undefined;
  id: string;
  input: Record<string, unknown>;
  name: string;
  type: "tool_use";
}

export interface AnthropicRequestToolResultBlock {
  cache_control?: AnthropicCacheControlEphemeral | null | undefined;
  content?:
    | string
    | readonly (AnthropicRequestTextBlock | AnthropicRequestImageBlock | AnthropicRequestDocumentBlock)[]
    | undefined;
  is_error?: boolean | undefined;
  tool_use_id: string;
  type: "tool_result";
}

export interface AnthropicMetadata {
  user_id?: string | null | undefined;
}

export interface AnthropicOutputConfig {
  effort?: AnthropicEffortLevel | null | undefined;
  format?: AnthropicJsonOutputFormat | null | undefined;
}

export type AnthropicEffortLevel = "low" | "medium" | "high" | "max" | (string & {});

export interface AnthropicJsonOutputFormat {
  schema: Record<string, unknown>;
  type: "json_schema";
}

export type AnthropicThinkingConfigParam =
  | AnthropicThinkingConfigEnabled
  | AnthropicThinkingConfigDisabled
  | AnthropicThinkingConfigAdaptive;

export interface AnthropicThinkingConfigEnabled {
  budget_tokens: number;
  type: "enabled";
}

export interface AnthropicThinkingConfigDisabled {
  type: "disabled";
}

export interface AnthropicThinkingConfigAdaptive {
  type: "adaptive";
}

export type AnthropicToolChoice =
  | AnthropicToolChoiceAuto
  | AnthropicToolChoiceAny
  | AnthropicToolChoiceTool
  | AnthropicToolChoiceNone;

export interface AnthropicToolChoiceAuto {
  disable_parallel_tool_use?: boolean | undefined;
  type: "auto";
}

export interface AnthropicToolChoiceAny {
  disable_parallel_tool_use?: boolean | undefined;
  type: "any";
}

export interface AnthropicToolChoiceTool {
  disable_parallel_tool_use?: boolean | undefined;
  name: string;
  type: "tool";
}

export interface AnthropicToolChoiceNone {
  type: "none";
}

export interface AnthropicTool {
  type?: null | "custom" | undefined;
  description?: string | undefined;
  name: string;
  input_schema: AnthropicInputSchema;
  strict?: boolean | undefined;
}

export interface AnthropicInputSchema {
  properties?: Record<string, unknown> | null | undefined;
  required?: readonly string[] | null | undefined;
  type: "object";
}

export interface AnthropicRawOutput {
  prompt_fragments: readonly (string | number)[];
  prompt_token_ids: readonly number[];
  completion: string;
  completion_token_ids?: readonly number[] | null | undefined;
  images?: readonly string[] | null | undefined;
  grammar?: string | null | undefined;
}

export interface AnthropicMessageStartEvent {
  type: "message_start";
  message: AnthropicMessage;
}

export interface AnthropicContentBlockStartEvent {
  type: "content_block_start";
  index: number;
  content_block: AnthropicContentBlock;
}

export interface AnthropicContentBlockDeltaEvent {
  type: "content_block_delta";
  index: number;
  delta: {
    type:
      | "text_delta"
      | "thinking_delta"
      | "signature_delta"
      | "input_json_delta"
      | "citations_delta"
      | (string & {});
    text?: string | undefined;
    thinking?: string | undefined;
    signature?: string | undefined;
    partial_json?: string | undefined;
  };
}

export interface AnthropicContentBlockStopEvent {
  type: "content_block_stop";
  index: number;
}

export interface AnthropicMessageDeltaEvent {
  type: "message_delta";
  delta: {
    stop_reason?: AnthropicStopReason | undefined;
    stop_sequence?: string | null | undefined;
  };
  usage: {
    output_tokens: number;
  };
}

export interface AnthropicMessageStopEvent {
  type: "message_stop";
}

export interface AnthropicPingEvent {
  type: "ping";
}

export type AnthropicMessageStreamEvent =
  | AnthropicMessageStartEvent
  | AnthropicContentBlockStartEvent
  | AnthropicContentBlockDeltaEvent
  | AnthropicContentBlockStopEvent
  | AnthropicMessageDeltaEvent
  | AnthropicMessageStopEvent
  | AnthropicPingEvent;

export interface AnthropicUsage {
  input_tokens: number;
  output_tokens: number;
  cache_creation_input_tokens?: number | null | undefined;
  cache_read_input_tokens?: number | null | undefined;
}

export interface CreateResponseRequest {
  model: string;
  input: string | readonly Record<string, unknown>[];
  previous_response_id?: string | null | undefined;
  instructions?: string | null | undefined;
  max_output_tokens?: number | null | undefined;
  max_tool_calls?: number | null | undefined;
  metadata?: Record<string, unknown> | null | undefined;
  parallel_tool_calls?: boolean | null | undefined;
  reasoning?: Record<string, unknown> | null | undefined;
  store?: boolean | null | undefined;
  stream?: boolean | null | undefined;
  temperature?: number | null | undefined;
  text?: Record<string, unknown> | null | undefined;
  tool_choice?: string | Record<string, unknown> | null | undefined;
  tools?: readonly Record<string, unknown>[] | null | undefined;
  top_p?: number | null | undefined;
  truncation?: string | null | undefined;
  user?: string | null | undefined;
}

export interface DeleteResponseResult {
  message: string;
}

export interface ResponseMessage {
  id: string;
  type?: string | undefined;
  role: string;
  content: readonly ResponseMessageContent[];
  status: string;
}

export interface ResponseMessageContent {
  type: string;
  text?: string | null | undefined;
}

export interface ResponseObject {
  id?: string | null | undefined;
  object?: string | undefined;
  created_at: number;
  status: "completed" | "in_progress" | "incomplete" | "failed" | "cancelled" | (string & {});
  model: string;
  output: readonly (ResponseMessage | ResponseToolCall | ResponseToolOutput)[];
  previous_response_id?: string | null | undefined;
  usage?: Record<string, unknown> | null | undefined;
  error?: Record<string, unknown> | null | undefined;
  incomplete_details?: Record<string, unknown> | null | undefined;
  instructions?: string | null | undefined;
  max_output_tokens?: number | null | undefined;
  max_tool_calls?: number | null | undefined;
  parallel_tool_calls?: boolean | undefined;
  reasoning?: Record<string, unknown> | null | undefined;
  store?: boolean | null | undefined;
  temperature?: number | undefined;
  text?: Record<string, unknown> | null | undefined;
  tool_choice?: string | Record<string, unknown> | undefined;
  tools?: readonly Record<string, unknown>[] | undefined;
  top_p?: number | undefined;
  truncation?: "auto" | "disabled" | (string & {}) | undefined;
  user?: string | null | undefined;
  metadata?: Record<string, unknown> | null | undefined;
}

export interface ResponseObjectList {
  object?: string | undefined;
  data: readonly ResponseObject[];
  has_more: boolean;
  first_id?: string | null | undefined;
  last_id?: string | null | undefined;
}

export interface ResponseToolCall {
  id: string;
  type: string;
  call_id?: string | null | undefined;
  name?: string | null | undefined;
  arguments?: string | null | undefined;
  status?: string | null | undefined;
  function?: Record<string, unknown> | null | undefined;
  mcp?: Record<string, unknown> | null | undefined;
}

export interface ResponseToolOutput {
  type?: string | undefined;
  tool_call_id: string;
  output: string;
}
