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
  const made = await client.deployedModels.create({ ...fields, model }, optionsOf(context));
  await context.out.resource(isWaited(context) ? await settled(context, String(made.name)) : { ...made });
};

export const unloadLora: Run = async (context) => {
  const client = await context.client();
  const name = String((await loaded(context)).name);
  await client.deployedModels.delete(name, {}, optionsOf(context));
  if (isWaited(context))
    await waitUntilGone(context, DEPLOYED_MODEL_LIFECYCLE, name, () => get(context, name));
  await context.out.done(`${isWaited(context) ? "Unloaded" : "Unloading"} ${name}.`);
};

function isWaited({ flags }: Context): boolean {
  return flags.get("wait") === true;
}

async function get(context: Context, name: string): Promise<ResourceObject> {
  return { ...(await (await context.client()).deployedModels.get(name, {}, optionsOf(context))) };
}

function settled(context: Context, name: string): Promise<ResourceObject> {
  return waitFor(context, DEPLOYED_MODEL_LIFECYCLE, name, () => get(context, name));
}

/** A LoRA is the account's own: the library has base models. */
async function ownModel(context: Context): Promise<string> {
  const name = readName("model", "models", context.args[0] as string);
  return name.startsWith("accounts/") ? name : `accounts/${await context.account()}/models/${name}`;
}

/** @throws CliError unless the model is loaded in one place, or in the one that is named */
async function loaded(context: Context): Promise<types.DeployedModel> {
  const client = await context.client();
  const model = await ownModel(context);
  const wanted = context.text("deployment");
  const deployment = wanted === undefined ? undefined : await fullName(context, "deployments", wanted);
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
    `${model} is loaded on ${found.map((one) => one.deployment).join(", ")}.`,
    "Say which with --deployment.",
  );
}
