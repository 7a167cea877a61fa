import type { Flag } from "../../args/flags.ts";
import { waitFlags } from "../global-flags.ts";
import type { Resource } from "../resource.ts";
import { ACCELERATOR_TYPES, DIRECT_ROUTE_TYPES, PRECISIONS, REGIONS } from "./values.ts";

/** Flags of `create deployment` and `update deployment`. */
const FIELDS: readonly Flag[] = [
  {
    name: "accelerator-count",
    type: "int32",
    field: "acceleratorCount",
    aliases: ["world-size"],
    help: "The number of GPUs per replica. Also: --world-size.",
  },
  {
    name: "accelerator-type",
    type: "string",
    field: "acceleratorType",
    values: ACCELERATOR_TYPES,
    help: "The type of GPU, such as NVIDIA_H100_80GB.",
  },
  {
    name: "description",
    type: "string",
    field: "description",
    help: "The description; under 1000 characters.",
  },
  {
    name: "direct-route-api-keys",
    type: "strings",
    field: "directRouteApiKeys",
    isSecret: true,
    help: "A key that the direct route accepts. Can be repeated.",
  },
  {
    name: "direct-route-type",
    type: "string",
    field: "directRouteType",
    values: DIRECT_ROUTE_TYPES,
    help: "How clients reach the deployment without the gateway.",
  },
  {
    name: "display-name",
    type: "string",
    field: "displayName",
    help: "The display name; under 64 characters.",
  },
  {
    name: "draft-model",
    type: "string",
    field: "draftModel",
    names: "models",
    help: "The draft model for speculative decoding.",
  },
  {
    name: "draft-token-count",
    type: "int32",
    field: "draftTokenCount",
    help: "How many tokens to draft per step; 0 turns speculation off.",
  },
  { name: "enable-addons", type: "bool", field: "enableAddons", help: "Allow LoRA addons to be loaded." },
  {
    name: "enable-session-affinity",
    type: "bool",
    field: "enableSessionAffinity",
    help: "Send the requests of a user or session to the same replica.",
  },
  {
    name: "load-targets",
    type: "loads",
    field: "autoscalingPolicy.loadTargets",
    help: "Loads at which to scale: default=0.8,tokens_generated_per_second=100.",
  },
  {
    name: "long-prompt",
    type: "bool",
    field: "autoTune.longPrompt",
    help: "Tune for prompts over 3000 tokens.",
  },
  {
    name: "enable-hot-reload-latest-addon",
    type: "bool",
    field: "enableHotReloadLatestAddon",
    help: "Merge one addon into the model; load-lora can replace it.",
  },
  {
    name: "max-context-length",
    type: "int32",
    field: "maxContextLength",
    help: "The most tokens of prompt and output together. Default: the model's limit.",
  },
  {
    name: "max-peft-batch-size",
    type: "int32",
    field: "maxPeftBatchSize",
    help: "The most concurrent requests with addons.",
  },
  {
    name: "max-replica-count",
    type: "int32",
    field: "maxReplicaCount",
    help: "The most replicas. Default: --min-replica-count, at least 1.",
  },
  {
    name: "min-replica-count",
    type: "int32",
    field: "minReplicaCount",
    help: "The fewest replicas. Default: 0, which stops the last replica when it is not used.",
  },
  {
    name: "ngram-speculation-length",
    type: "int32",
    field: "ngramSpeculationLength",
    help: "The length of the n-grams that are looked up in earlier text, to speculate without a draft model.",
  },
  {
    name: "precision",
    type: "string",
    field: "precision",
    values: PRECISIONS,
    help: "The precision to serve, such as FP8.",
  },
  {
    name: "scale-down-window",
    type: "duration",
    field: "autoscalingPolicy.scaleDownWindow",
    help: "How long the load must be low before replicas are removed. Default: 10m.",
  },
  {
    name: "scale-to-zero-window",
    type: "duration",
    field: "autoscalingPolicy.scaleToZeroWindow",
    help: "How long there must be no request before the last replica stops. Default: 1h, at least 5m.",
  },
  {
    name: "scale-up-window",
    type: "duration",
    field: "autoscalingPolicy.scaleUpWindow",
    help: "How long the load must be high before replicas are added. Default: 30s.",
  },
  {
    name: "unused-auto-delete-duration",
    type: "duration",
    field: "unusedAutoDeleteDuration",
    help: "Delete the deployment after this time without requests; 0: never. Default: 168h.",
  },
];

const CREATE_FLAGS: readonly Flag[] = [
  {
    name: "deployment-id",
    type: "string",
    field: "deploymentId",
    help: "The id of the deployment. Default: a random one.",
  },
  {
    name: "disable-speculative-decoding",
    type: "bool",
    field: "disableSpeculativeDecoding",
    help: "Don't speculate, even if the model has a default draft model.",
  },
  { name: "model-id", type: "string", help: "The model to deploy, in place of <model>." },
  {
    name: "deployment-shape",
    type: "string",
    field: "deploymentShape",
    help: "The full name of a deployment shape, which sets hardware and other settings.",
  },
  {
    name: "region",
    type: "string",
    field: "placement.region",
    values: REGIONS,
    help: "The region of the deployment. It can't be changed later.",
  },
];

export const DEPLOYMENT: Resource = {
  collection: "deployments",
  title: "deployment",
  words: ["deployment", "deployments"],
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["MODEL", "baseModel"],
    ["REPLICAS", "replicaCount"],
    ["CREATE TIME", "createTime"],
    ["DISPLAY NAME", "displayName"],
  ],
  newId: "deploymentId",
  states: { done: ["READY"], failed: ["FAILED", "DELETING", "DELETED"] },
  verbs: [
    {
      verb: "create",
      summary: "Deploy a model of the account or of the library.",
      args: [{ name: "model", isOptional: true }],
      flags: [...CREATE_FLAGS, ...FIELDS, ...waitFlags("the deployment is ready")],
      examples: [
        "firectl create deployment my-model --wait",
        "firectl create deployment accounts/fireworks/models/smollm2-135m-instruct --enable-addons",
        "firectl create deployment my-model --min-replica-count 2 --max-replica-count 3 --scale-down-window 10m30s",
      ],
      load: () => import("../deployments.ts").then(({ createDeployment }) => createDeployment),
    },
    {
      verb: "get",
      summary: "Print a deployment: its state, replicas and settings.",
      examples: ["firectl get deployment my-deployment"],
    },
    {
      verb: "list",
      summary: "List the deployments of the account.",
      flags: [
        {
          name: "show-deleted",
          type: "bool",
          field: "showDeleted",
          help: "Also list deleted deployments that can be undeleted.",
        },
      ],
      examples: [
        "firectl list deployments",
        "firectl list deployments --show-deleted --filter 'state = DELETED'",
      ],
    },
    {
      verb: "update",
      summary: "Change a deployment.",
      flags: [...FIELDS, ...waitFlags("the deployment is ready again")],
      examples: [
        "firectl update deployment my-deployment --min-replica-count 2 --max-replica-count 3",
        "firectl update deployment my-deployment --long-prompt=false --wait",
      ],
    },
    {
      verb: "delete",
      summary: "Delete a deployment. It can be undeleted for a while.",
      flags: [
        {
          name: "ignore-checks",
          type: "bool",
          field: "ignoreChecks",
          help: "Delete it even if it is its model's default and the model has other deployments.",
        },
        { name: "hard", type: "bool", field: "hard", help: "Delete it permanently: it can't be undeleted." },
        ...waitFlags("its requests and replicas have ended"),
      ],
      examples: [
        "firectl delete deployment my-deployment --wait",
        "firectl delete deployment my-deployment --ignore-checks",
      ],
    },
    {
      verb: "undelete",
      summary: "Bring back a deployment that is DELETED or FAILED.",
      flags: waitFlags("the deployment is ready"),
      examples: ["firectl undelete deployment my-deployment --wait"],
    },
    {
      verb: "scale",
      summary: "Set how many replicas run.",
      flags: [
        {
          name: "replica-count",
          type: "int32",
          field: "replicaCount",
          help: "The number of replicas; 0 stops all.",
        },
      ],
      examples: ["firectl scale deployment my-deployment --replica-count 2"],
    },
  ],
};

/** Presets for new deployments. */
export const DEPLOYMENT_SHAPE: Resource = {
  collection: "deploymentShapes",
  title: "deployment shape",
  words: ["deployment-shape", "deployment-shapes"],
  columns: [
    ["NAME", "name"],
    ["BASE MODEL", "baseModel"],
    ["ACCELERATOR TYPE", "acceleratorType"],
    ["ACCELERATOR COUNT", "acceleratorCount"],
    ["PRECISION", "precision"],
    ["PRESET", "presetType"],
  ],
  verbs: [
    {
      verb: "get",
      summary: "Print a deployment shape, a preset for deployments.",
      examples: ["firectl get deployment-shape -a fireworks my-shape"],
    },
    {
      verb: "list",
      summary: "List deployment shapes, presets for deployments.",
      examples: ["firectl list deployment-shapes -a fireworks"],
    },
  ],
};
