import type { Flag } from "../../args/flags.ts";
import { waitFlags } from "../global-flags.ts";
import type { Resource } from "../resource.ts";
import { ACCELERATOR_TYPES, DIRECT_ROUTE_TYPES, PRECISIONS, REGIONS } from "./values.ts";

/** What `create deployment` and `update deployment` share. */
const FIELDS: readonly Flag[] = [
  {
    name: "accelerator-count",
    type: "int32",
    field: "acceleratorCount",
    aliases: ["world-size"],
    help: "The number of GPUs of a replica. Also: --world-size.",
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
    help: "What the deployment is for; under 1000 characters.",
  },
  {
    name: "direct-route-api-keys",
    type: "strings",
    field: "directRouteApiKeys",
    isSecret: true,
    help: "A key that the direct route takes. Can be repeated.",
  },
  {
    name: "direct-route-type",
    type: "string",
    field: "directRouteType",
    values: DIRECT_ROUTE_TYPES,
    help: "How to reach the deployment past the gateway.",
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
    help: "How many tokens to speculate a step; 0 turns speculation off.",
  },
  { name: "enable-addons", type: "bool", field: "enableAddons", help: "Let several LoRA addons be loaded." },
  {
    name: "enable-session-affinity",
    type: "bool",
    field: "enableSessionAffinity",
    help: "Keep the requests of a user or session on one replica.",
  },
  {
    name: "load-targets",
    type: "loads",
    field: "autoscalingPolicy.loadTargets",
    help: "Loads to scale at: default=0.8,tokens_generated_per_second=100.",
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
    help: "Merge one addon into the model, which load-lora can replace.",
  },
  {
    name: "max-context-length",
    type: "int32",
    field: "maxContextLength",
    help: "The longest prompt and reply, in tokens. Default: the model's.",
  },
  {
    name: "max-peft-batch-size",
    type: "int32",
    field: "maxPeftBatchSize",
    help: "How many requests with addons run at once.",
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
    help: "The fewest replicas. Default: 0, which stops the last one when it is not used.",
  },
  {
    name: "ngram-speculation-length",
    type: "int32",
    field: "ngramSpeculationLength",
    help: "How much of the text before to look for, to speculate without a draft model.",
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
    help: "How long the load must be low before there are fewer replicas. Default: 10m.",
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
    help: "How long the load must be high before there are more replicas. Default: 30s.",
  },
  {
    name: "unused-auto-delete-duration",
    type: "duration",
    field: "unusedAutoDeleteDuration",
    help: "Delete the deployment when it gets no request for so long; 0 never does. Default: 168h.",
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
    help: "Don't speculate, though the model has a default draft model.",
  },
  { name: "model-id", type: "string", help: "The model to deploy, in place of <model>." },
  {
    name: "deployment-shape",
    type: "string",
    field: "deploymentShape",
    help: "A preset's full name: what it says of hardware and settings goes.",
  },
  {
    name: "region",
    type: "string",
    field: "placement.region",
    values: REGIONS,
    help: "Where the deployment is to run. It can't be moved later.",
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
      summary: "Deploy a model: one of the account, else one of the library.",
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
          help: "Those too that can be undeleted.",
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
          help: "Also when its model is served elsewhere and this is the default.",
        },
        { name: "hard", type: "bool", field: "hard", help: "For ever: it can't be undeleted." },
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
          help: "How many replicas are to run; 0 stops all.",
        },
      ],
      examples: ["firectl scale deployment my-deployment --replica-count 2"],
    },
  ],
};

/** Presets that deployments can be made by. */
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
      summary: "Print a preset of deployments.",
      examples: ["firectl get deployment-shape -a fireworks my-shape"],
    },
    {
      verb: "list",
      summary: "List presets of deployments.",
      examples: ["firectl list deployment-shapes -a fireworks"],
    },
  ],
};
