import type { Flag } from "../../args/flags.ts";
import type { Command } from "../command.ts";
import { waitFlags } from "../global-flags.ts";
import type { Resource } from "../resource.ts";
import { DEPLOYED_MODEL_LIFECYCLE } from "./lifecycles.ts";

/** Flags of `load-lora` and `create deployed-model`. */
const LOAD_FLAGS: readonly Flag[] = [
  {
    name: "deployment",
    type: "string",
    field: "deployment",
    names: "deployments",
    help: "The deployment to load it onto. Default: the serverless deployment of its base model.",
  },
  { name: "public", type: "bool", field: "public", help: "Let every user of every account use it." },
  {
    name: "replace-merged-addon",
    type: "bool",
    field: "replaceMergedAddon",
    help: "Replace the addon that is merged into the deployment.",
  },
  ...waitFlags("the model is deployed"),
];

export const DEPLOYED_MODEL: Resource = {
  collection: "deployedModels",
  title: "deployed model",
  ...DEPLOYED_MODEL_LIFECYCLE,
  columns: [
    ["NAME", "name"],
    ["STATE", "state"],
    ["MODEL", "model"],
    ["DEPLOYMENT", "deployment"],
    ["DEFAULT", "default"],
    ["PUBLIC", "public"],
  ],
  verbs: [
    {
      verb: "create",
      summary: "Load a model onto a deployment, as load-lora does.",
      args: [{ name: "model-id" }],
      flags: LOAD_FLAGS,
      examples: ["firectl create deployed-model my-addon --deployment my-deployment"],
      load: () => import("../loras.ts").then(({ loadLora }) => loadLora),
    },
    {
      verb: "get",
      summary: "Print a deployed model.",
      examples: ["firectl get deployed-model my-model-abcdef"],
    },
    {
      verb: "list",
      summary: "List the deployed models of the account.",
      examples: ["firectl list deployed-models"],
    },
    {
      verb: "update",
      summary: "Make a deployed model the default of its model, or publish it.",
      flags: [
        {
          name: "default",
          type: "bool",
          field: "default",
          help: "Send requests for the model here unless they name a deployment.",
        },
        { name: "public", type: "bool", field: "public", help: "Let every user of every account use it." },
        { name: "display-name", type: "string", field: "displayName", help: "The display name." },
        { name: "description", type: "string", field: "description", help: "The description." },
      ],
      examples: [
        "firectl update deployed-model my-model-abcdef --default",
        "firectl update deployed-model my-model-abcdef --public=false",
      ],
    },
    {
      verb: "delete",
      summary: "Unload a deployed model.",
      examples: ["firectl delete deployed-model my-model-abcdef"],
    },
  ],
};

/** Commands for LoRA addons. */
export const LORA_COMMANDS: readonly Command[] = [
  {
    words: [["load-lora"]],
    summary: "Load a LoRA addon onto a deployment, or onto the serverless deployment of its base model.",
    args: [{ name: "model-id" }],
    flags: LOAD_FLAGS,
    examples: [
      "firectl load-lora my-addon",
      'firectl load-lora my-addon --deployment="my-deployment" --wait',
    ],
    load: () => import("../loras.ts").then(({ loadLora }) => loadLora),
  },
  {
    words: [["unload-lora"]],
    summary: "Unload a LoRA addon from a deployment.",
    args: [{ name: "model-id" }],
    flags: [
      {
        name: "deployment",
        type: "string",
        names: "deployments",
        help: "The deployment to unload it from. Needed only if it is loaded on several.",
      },
      ...waitFlags("the model is unloaded"),
    ],
    examples: ["firectl unload-lora my-addon", 'firectl unload-lora my-addon --deployment="my-deployment"'],
    load: () => import("../loras.ts").then(({ unloadLora }) => unloadLora),
  },
];
