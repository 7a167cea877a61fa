import type { Flag } from "../../args/flags.ts";
import type { Command } from "../command.ts";
import { QUIET, waitFlags } from "../global-flags.ts";
import type { Resource } from "../resource.ts";
import { MODEL_LIFECYCLE } from "./lifecycles.ts";
import { PRECISIONS } from "./values.ts";

/** Flags of `create model` and `update model`. */
const FIELDS: readonly Flag[] = [
  {
    name: "context-length",
    type: "int32",
    field: "contextLength",
    help: "The maximum context length of the model.",
  },
  {
    name: "default-draft-model",
    type: "string",
    field: "defaultDraftModel",
    names: "models",
    help: "The draft model that new deployments speculate with by default.",
  },
  {
    name: "default-draft-token-count",
    type: "int32",
    field: "defaultDraftTokenCount",
    help: "How many tokens new deployments speculate by default.",
  },
  { name: "description", type: "string", field: "description", help: "The description of the model." },
  { name: "display-name", type: "string", field: "displayName", help: "The display name of the model." },
  { name: "github-url", type: "string", field: "githubUrl", help: "The GitHub URL of the model." },
  {
    name: "hugging-face-url",
    type: "string",
    field: "huggingFaceUrl",
    help: "The Hugging Face URL of the model.",
  },
  { name: "public", type: "bool", field: "public", help: "Whether everybody may use the model." },
  {
    name: "supports-image-input",
    type: "bool",
    field: "supportsImageInput",
    help: "Whether the model reads images.",
  },
  {
    name: "supports-tools",
    type: "bool",
    field: "supportsTools",
    help: "Whether the model calls functions.",
  },
];

export const MODEL: Resource = {
  collection: "models",
  title: "model",
  ...MODEL_LIFECYCLE,
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["KIND", "kind"],
    ["PUBLIC", "public"],
    ["CREATE TIME", "createTime"],
    ["DISPLAY NAME", "displayName"],
  ],
  newId: "modelId",
  envelope: "model",
  verbs: [
    {
      verb: "create",
      summary: "Create a model from a folder of files, or from a folder of an S3 bucket.",
      args: [{ name: "model-id" }, { name: "path", completes: "files" }],
      flags: [
        {
          name: "base-model",
          type: "string",
          field: "peftDetails.baseModel",
          names: "models",
          help: "The model that this LoRA addon is for.",
        },
        ...FIELDS,
        QUIET,
        {
          name: "aws-access-key-id",
          type: "string",
          isSecret: true,
          help: "The access key of the S3 bucket.",
        },
        {
          name: "aws-secret-access-key",
          type: "string",
          isSecret: true,
          help: "The secret of that access key.",
        },
        ...waitFlags("an import from S3 is done"),
      ],
      examples: [
        "firectl create model my-model /path/to/checkpoint/",
        'firectl create model my-addon /path/to/files/ --base-model "accounts/fireworks/models/smollm2-135m-instruct"',
        "firectl create model my-model s3://my-bucket/path/ --aws-access-key-id AKIA… --aws-secret-access-key …",
      ],
      load: () => import("../models.ts").then(({ createModel }) => createModel),
    },
    {
      verb: "get",
      summary: "Print a model: its state, its precisions and where it is deployed.",
      examples: ["firectl get model my-model", "firectl get model -a fireworks smollm2-135m-instruct"],
    },
    {
      verb: "list",
      summary: "List the models of an account.",
      examples: [
        "firectl list models",
        "firectl list models -a fireworks --order-by displayName",
        "firectl list models --filter 'state = READY AND public = true' --no-paginate -o json",
      ],
    },
    {
      verb: "update",
      summary: "Change a model's metadata, or publish it.",
      flags: FIELDS,
      examples: [
        'firectl update model my-model --display-name="New Name"',
        "firectl update model my-model --public=false",
      ],
    },
    { verb: "delete", summary: "Delete a model and its files.", examples: ["firectl delete model my-model"] },
  ],
};

/** Further commands for models. */
export const MODEL_COMMANDS: readonly Command[] = [
  {
    words: [["import"], MODEL.words],
    summary: "Copy a model of the library into the account.",
    args: [{ name: "model" }],
    flags: [
      {
        name: "model-id",
        type: "string",
        help: "The id of the new model. Default: its id in the library.",
      },
      ...waitFlags("the model is imported"),
    ],
    examples: [
      "firectl import model smollm2-135m-instruct",
      "firectl import model smollm2-135m-instruct --model-id my-copy --wait",
    ],
    load: () => import("../models.ts").then(({ importModel }) => importModel),
  },
  {
    words: [["download"], MODEL.words],
    summary: "Download the files of a model.",
    args: [{ name: "model-id" }, { name: "folder", completes: "folders" }],
    flags: [QUIET],
    examples: ["firectl download model my-model /path/to/checkpoint/"],
    load: () => import("../models.ts").then(({ downloadModel }) => downloadModel),
  },
  {
    words: [["prepare-model"]],
    summary: "Prepare a model for another precision. Its existing precisions stay.",
    args: [{ name: "model-id" }],
    flags: [
      { name: "precision", type: "string", field: "precision", values: PRECISIONS, help: "Default: FP8." },
      ...waitFlags("the precision is ready"),
    ],
    examples: ["firectl prepare-model my-model", "firectl prepare-model my-model --precision FP8 --wait"],
    load: () => import("../models.ts").then(({ prepareModel }) => prepareModel),
  },
];
