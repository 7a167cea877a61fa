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
  { name: "wandb", type: "bool", field: "wandbConfig.enabled", help: "Report to Weights & Biases." },
  {
    name: "wandb-api-key",
    type: "string",
    field: "wandbConfig.apiKey",
    isSecret: true,
    help: "A Weights & Biases API key of that entity.",
  },
  {
    name: "wandb-entity",
    type: "string",
    field: "wandbConfig.entity",
    help: "The entity that progress is reported to.",
  },
  {
    name: "wandb-project",
    type: "string",
    field: "wandbConfig.project",
    help: "The project that progress is reported to.",
  },
  {
    name: "wandb-run-id",
    type: "string",
    field: "wandbConfig.runId",
    help: "The run that progress is reported to. Default: WANDB_RUN_ID.",
  },
];

const JOB_STATES = {
  done: ["JOB_STATE_COMPLETED", "JOB_STATE_EARLY_STOPPED"],
  failed: ["JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"],
};

/** What both kinds of jobs have; `at`: where their settings of training are. */
function trainingFlags(at: string): readonly Flag[] {
  return [
    {
      name: "base-model",
      type: "string",
      field: `${at}baseModel`,
      names: "models",
      help: "The model to tune: one of the account, else one of the library.",
    },
    {
      name: "warm-start-from",
      type: "string",
      field: `${at}warmStartFrom`,
      names: "models",
      help: "The LoRA addon to go on from, in place of --base-model.",
    },
    {
      name: "output-model",
      type: "string",
      field: `${at}outputModel`,
      aliases: ["output-model-id"],
      help: "The id of the tuned model. Default: the job's.",
    },
    {
      name: "epochs",
      type: "float",
      field: `${at}epochs`,
      help: "How often to go through the data. Default: 1.",
    },
    { name: "learning-rate", type: "float", field: `${at}learningRate`, help: "The learning rate." },
    {
      name: "lora-rank",
      type: "int32",
      field: `${at}loraRank`,
      help: "The rank of the addon, a power of 2. Default: 8.",
    },
    {
      name: "max-context-length",
      type: "int32",
      field: `${at}maxContextLength`,
      help: "The longest example, in tokens.",
    },
    { name: "display-name", type: "string", field: "displayName", help: "The display name of the job." },
    {
      name: "evaluation-dataset",
      type: "string",
      field: "evaluationDataset",
      names: "datasets",
      help: "The dataset to evaluate with. Default: a part of --dataset.",
    },
    ...WANDB,
    { name: "quiet", type: "bool", help: "Print errors alone." },
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
          help: "Stop when the evaluation gets no better.",
        },
        { name: "turbo", type: "bool", field: "isTurbo", help: "Train on several GPUs." },
        { name: "draft-base-model", type: "string", help: "Not in this API; it is refused." },
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
      summary: "Tune a model with what an evaluator makes of its answers.",
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
          help: "The evaluator that scores answers.",
        },
        {
          name: "reward-endpoint",
          type: "string",
          help: "The evaluator's address, in place of --evaluator.",
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
