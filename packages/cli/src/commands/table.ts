import type { Command } from "./command.ts";
import { commandsOf } from "./resource-commands.ts";
import { ACCOUNT, API_KEY, QUOTA, RESERVATION, USER } from "./resources/account.ts";
import { BILLING_RESOURCES, USAGE_COMMAND } from "./resources/billing.ts";
import { DEPLOYMENT, DEPLOYMENT_SHAPE } from "./resources/deployments.ts";
import { DEPLOYED_MODEL, LORA_COMMANDS } from "./resources/loras.ts";
import { MODEL, MODEL_COMMANDS } from "./resources/models.ts";
import { DATASET, RFT_JOB, SFT_JOB } from "./resources/training.ts";
import { SHELLS } from "./shells.ts";

const RESOURCES = [
  MODEL,
  DATASET,
  DEPLOYMENT,
  DEPLOYED_MODEL,
  SFT_JOB,
  RFT_JOB,
  USER,
  API_KEY,
  QUOTA,
  RESERVATION,
  ACCOUNT,
  DEPLOYMENT_SHAPE,
  ...BILLING_RESOURCES,
];

/** Commands about the program and the session. */
const OWN_COMMANDS: readonly Command[] = [
  {
    words: [["signin"]],
    summary: "Save an API key and its host for later commands. Asks for the key.",
    args: [{ name: "account-id", isOptional: true }],
    flags: [],
    isLocal: true,
    examples: [
      "firectl signin",
      "firectl signin my-team",
      "firectl signin --profile office --api-base https://hearth.example.com",
    ],
    load: () => import("./session.ts").then(({ signIn }) => signIn),
  },
  {
    words: [["whoami"]],
    summary: "Print the account, user and host that commands use, and where each is set.",
    args: [],
    flags: [],
    isLocal: true,
    examples: ["firectl whoami"],
    load: () => import("./session.ts").then(({ whoAmI }) => whoAmI),
  },
  {
    words: [["set-api-key"]],
    summary: "Check an API key and save it for later commands.",
    args: [{ name: "api-key" }],
    flags: [],
    isLocal: true,
    examples: ["firectl set-api-key fw_3ZLd…"],
    load: () => import("./session.ts").then(({ setApiKey }) => setApiKey),
  },
  {
    words: [["version"]],
    summary: "Print the version of firectl.",
    args: [],
    flags: [],
    isLocal: true,
    examples: ["firectl version"],
    load: () => import("./version.ts").then(({ version }) => version),
  },
  {
    words: [["upgrade"]],
    summary: "Print how to install the latest version.",
    args: [],
    flags: [],
    isLocal: true,
    examples: ["firectl upgrade"],
    load: () => import("./version.ts").then(({ upgrade }) => upgrade),
  },
  {
    words: [["completion"]],
    summary: "Print a script that completes commands and flags in bash, zsh or fish.",
    args: [{ name: "shell", completes: SHELLS }],
    flags: [],
    isLocal: true,
    examples: [
      "source <(firectl completion bash)",
      "firectl completion zsh > ~/.zfunc/_firectl",
      "firectl completion fish > ~/.config/fish/completions/firectl.fish",
    ],
    load: () => import("./completion-scripts.ts").then(({ completion }) => completion),
  },
];

/** All commands of `firectl`. */
export const COMMANDS: readonly Command[] = [
  ...RESOURCES.flatMap(commandsOf),
  USAGE_COMMAND,
  ...MODEL_COMMANDS,
  ...LORA_COMMANDS,
  ...OWN_COMMANDS,
];
