import type { types } from "@hearth/sdk";
import { CliError } from "../errors.ts";
import type { ResourceObject } from "../output/text.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { optionsOf, requestFields } from "./crud.ts";
import { fullName, readName } from "./names.ts";
import { DEPLOYED_MODEL_LIFECYCLE } from "./resources/lifecycles.ts";
import { waitFor, waitUntilGone } from "./wait.ts";

export const loadLora: Run = async (context) => {
  readName("model", "models", context.args[0] as string);
  const fields = await requestFields(context);
  const model = await ownModel(context);
  const client = await context.client();
  const deployed = await client.deployedModels.create({ ...fields, model }, optionsOf(context));
  await context.out.resource(
    shouldWait(context) ? await settled(context, String(deployed.name)) : { ...deployed },
  );
};

export const unloadLora: Run = async (context) => {
  const client = await context.client();
  const name = String((await loadedLora(context)).name);
  await client.deployedModels.delete(name, {}, optionsOf(context));
  if (shouldWait(context))
    await waitUntilGone(context, DEPLOYED_MODEL_LIFECYCLE, name, () => get(context, name));
  await context.out.done(`${shouldWait(context) ? "Unloaded" : "Unloading"} ${name}.`);
};

function shouldWait({ flags }: Context): boolean {
  return flags.get("wait") === true;
}

async function get(context: Context, name: string): Promise<ResourceObject> {
  return { ...(await (await context.client()).deployedModels.get(name, {}, optionsOf(context))) };
}

function settled(context: Context, name: string): Promise<ResourceObject> {
  return waitFor(context, DEPLOYED_MODEL_LIFECYCLE, name, () => get(context, name));
}

/** The full name of a LoRA. An id always means a model of the account, as the library has no LoRAs. */
async function ownModel(context: Context): Promise<string> {
  const name = readName("model", "models", context.args[0] as string);
  return name.startsWith("accounts/") ? name : `accounts/${await context.account()}/models/${name}`;
}

/** The loaded LoRA to unload. @throws CliError when it isn't loaded, or on several deployments and `--deployment` names none */
async function loadedLora(context: Context): Promise<types.DeployedModel> {
  const client = await context.client();
  const model = await ownModel(context);
  const deploymentFlag = context.text("deployment");
  const deployment =
    deploymentFlag === undefined ? undefined : await fullName(context, "deployments", deploymentFlag);
  const filter = [
    `model = "${model}"`,
    ...(deployment === undefined ? [] : [`deployment = "${deployment}"`]),
  ].join(" AND ");
  const { items } = await client.deployedModels.list({ filter }, optionsOf(context)).page();
  const found = items.filter(({ state }) => state !== "UNDEPLOYING");
  if (found[0] === undefined) {
    throw new CliError(
      `${model} is not loaded${deployment === undefined ? "" : ` on ${deployment}`}.`,
      'See "firectl list deployed-models".',
    );
  }
  if (found.length === 1) return found[0];
  throw new CliError(
    `${model} is loaded on ${found.map(({ deployment: name }) => name).join(", ")}.`,
    "Choose one with --deployment.",
  );
}
