import type { Flag } from "../../args/flags.ts";
import { QUIET, waitFlags } from "../global-flags.ts";
import type { Resource, Verb } from "../resource.ts";

export const DATASET: Resource = {
  collection: "datasets",
  title: "dataset",
  words: ["dataset", "datasets"],
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["EXAMPLES", "exampleCount"],
    ["FORMAT", "format"],
    ["CREATE TIME", "createTime"],
    ["DISPLAY NAME", "displayName"],
  ],
  newId: "datasetId",
  envelope: "dataset",
  verbs: [
    {
      verb: "create",
      summary: "Create a dataset from a JSONL file.",
      args: [{ name: "dataset-id" }, { name: "path", completes: "files" }],
      flags: [
        {
          name: "display-name",
          type: "string",
          field: "displayName",
          help: "The display name of the dataset.",
        },
        QUIET,
      ],
      examples: ["firectl create dataset my-dataset /path/to/dataset.jsonl"],
      load: () => import("../datasets.ts").then(({ createDataset }) => createDataset),
    },
    { verb: "get", summary: "Print a dataset.", examples: ["firectl get dataset my-dataset"] },
    {
      verb: "list",
      summary: "List the datasets of the account.",
      examples: [
        "firectl list datasets",
        "firectl list datasets --order-by 'createTime desc' --page-size 10",
      ],
    },
    {
      verb: "update",
      summary: "Change a dataset's display name.",
      flags: [
        {
          name: "display-name",
          type: "string",
          field: "displayName",
          help: "The display name of the dataset.",
        },
      ],
      examples: ['firectl update dataset my-dataset --display-name "New name"'],
    },
    { verb: "delete", summary: "Delete a dataset.", examples: ["firectl delete dataset my-dataset"] },
  ],
};

const WANDB: readonly Flag[] = [
  { name: "wandb", type: "bool", field: "wandbConfig.enabled", help: "Report progress to Weights & Biases." },
  {
    name: "wandb-api-key",
    type: "string",
    field: "wandbConfig.apiKey",
    isSecret: true,
    help: "The API key of the Weights & Biases entity.",
  },
  {
    name: "wandb-entity",
    type: "string",
    field: "wandbConfig.entity",
    help: "The Weights & Biases entity.",
  },
  {
    name: "wandb-project",
    type: "string",
    field: "wandbConfig.project",
    help: "The Weights & Biases project.",
  },
  {
    name: "wandb-run-id",
    type: "string",
    field: "wandbConfig.runId",
    help: "The Weights & Biases run. Default: WANDB_RUN_ID.",
  },
];

const JOB_STATES = {
  done: ["JOB_STATE_COMPLETED", "JOB_STATE_EARLY_STOPPED"],
  failed: ["JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"],
};

/** Flags of both kinds of jobs. @param prefix the path of the training settings in the request, with its dot */
function trainingFlags(prefix: string): readonly Flag[] {
  return [
    {
      name: "base-model",
      type: "string",
      field: `${prefix}baseModel`,
      names: "models",
      help: "The model to tune, of the account or of the library.",
    },
    {
      name: "warm-start-from",
      type: "string",
      field: `${prefix}warmStartFrom`,
      names: "models",
      help: "The LoRA addon to continue training, instead of --base-model.",
    },
    {
      name: "output-model",
      type: "string",
      field: `${prefix}outputModel`,
      aliases: ["output-model-id"],
      help: "The id of the tuned model. Default: the job's id.",
    },
    {
      name: "epochs",
      type: "float",
      field: `${prefix}epochs`,
      help: "The number of passes over the data. Default: 1.",
    },
    { name: "learning-rate", type: "float", field: `${prefix}learningRate`, help: "The learning rate." },
    {
      name: "lora-rank",
      type: "int32",
      field: `${prefix}loraRank`,
      help: "The rank of the addon, a power of 2. Default: 8.",
    },
    {
      name: "max-context-length",
      type: "int32",
      field: `${prefix}maxContextLength`,
      help: "The longest example, in tokens.",
    },
    { name: "display-name", type: "string", field: "displayName", help: "The display name of the job." },
    {
      name: "evaluation-dataset",
      type: "string",
      field: "evaluationDataset",
      names: "datasets",
      help: "The dataset for evaluation. Default: a part of --dataset.",
    },
    ...WANDB,
    { name: "quiet", type: "bool", help: "Print only errors." },
    ...waitFlags("the job is done"),
  ];
}

function jobVerbs(word: string, title: string): readonly Verb[] {
  return [
    { verb: "get", summary: `Print a ${title}.`, examples: [`firectl get ${word} my-job`] },
    { verb: "list", summary: `List the ${title}s of the account.`, examples: [`firectl list ${word}s`] },
    { verb: "delete", summary: `Delete a ${title}.`, examples: [`firectl delete ${word} my-job`] },
  ];
}

export const SFT_JOB: Resource = {
  collection: "supervisedFineTuningJobs",
  title: "fine-tuning job",
  words: [
    "supervised-fine-tuning-job",
    "supervised-fine-tuning-jobs",
    "sftj",
    "sftjs",
    "fine-tuning-job",
    "fine-tuning-jobs",
  ],
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["BASE MODEL", "baseModel"],
    ["DATASET", "dataset"],
    ["OUTPUT MODEL", "outputModel"],
    ["CREATE TIME", "createTime"],
  ],
  newId: "supervisedFineTuningJobId",
  states: JOB_STATES,
  verbs: [
    {
      verb: "create",
      summary: "Tune a model with a dataset of examples.",
      args: [],
      flags: [
        {
          name: "dataset",
          type: "string",
          field: "dataset",
          names: "datasets",
          help: "The dataset to tune with (required).",
        },
        {
          name: "job-id",
          type: "string",
          field: "supervisedFineTuningJobId",
          help: "The id of the job. Default: a random one.",
        },
        {
          name: "early-stop",
          type: "bool",
          field: "earlyStop",
          help: "Stop when the evaluation no longer improves.",
        },
        { name: "turbo", type: "bool", field: "isTurbo", help: "Train on several GPUs." },
        { name: "draft-base-model", type: "string", help: "Not supported by this API." },
        ...trainingFlags(""),
      ],
      examples: [
        "firectl create sftj --base-model smollm2-135m-instruct --dataset my-dataset --output-model my-tuned-model",
        "firectl create sftj --warm-start-from my-tuned-model --dataset more-data --epochs 2 --early-stop --wait",
      ],
      load: () => import("../jobs.ts").then(({ createSftJob }) => createSftJob),
    },
    ...jobVerbs("sftj", "fine-tuning job"),
  ],
};

export const RFT_JOB: Resource = {
  collection: "reinforcementFineTuningJobs",
  title: "reinforcement fine-tuning job",
  words: [
    "reinforcement-fine-tuning-job",
    "reinforcement-fine-tuning-jobs",
    "rftj",
    "rftjs",
    "rl-job",
    "rl-jobs",
  ],
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["BASE MODEL", "trainingConfig.baseModel"],
    ["DATASET", "dataset"],
    ["EVALUATOR", "evaluator"],
    ["CREATE TIME", "createTime"],
  ],
  newId: "reinforcementFineTuningJobId",
  states: JOB_STATES,
  verbs: [
    {
      verb: "create",
      summary: "Tune a model with the scores that an evaluator gives its outputs.",
      args: [],
      flags: [
        {
          name: "dataset",
          type: "string",
          field: "dataset",
          names: "datasets",
          aliases: ["dataset-id"],
          help: "The dataset of prompts (required). Also: --dataset-id.",
        },
        {
          name: "evaluator",
          type: "string",
          field: "evaluator",
          names: "evaluators",
          help: "The evaluator that scores outputs.",
        },
        {
          name: "reward-endpoint",
          type: "string",
          help: "The evaluator's address, instead of --evaluator.",
        },
        {
          name: "model-id",
          type: "string",
          field: "trainingConfig.baseModel",
          names: "models",
          help: "The same as --base-model.",
        },
        {
          name: "job-id",
          type: "string",
          field: "reinforcementFineTuningJobId",
          help: "The id of the job. Default: a random one.",
        },
        ...trainingFlags("trainingConfig."),
      ],
      examples: [
        "firectl create rftj --base-model my-model --dataset my-prompts --evaluator my-evaluator",
        'firectl create rl-job --reward-endpoint "https://api.example.com/v1/evaluations/my-evaluator" --model-id my-model --dataset-id my-prompts',
      ],
      load: () => import("../jobs.ts").then(({ createRftJob }) => createRftJob),
    },
    ...jobVerbs("rftj", "reinforcement fine-tuning job"),
  ],
};
