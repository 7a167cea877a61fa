import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { createObject, requestFields } from "./crud.ts";
import { fullName } from "./names.ts";

export const createSftJob: Run = async (context) => {
  if (context.flags.has("draft-base-model")) {
    throw new UsageError(
      "--draft-base-model is not supported: draft models are not tuned by jobs of this API.",
    );
  }
  requireOne(context, ["dataset"]);
  requireOne(context, ["base-model", "warm-start-from"]);
  await createJob(context, await requestFields(context));
};

export const createRftJob: Run = async (context) => {
  requireOne(context, ["dataset"]);
  requireOne(context, ["base-model", "model-id", "warm-start-from"]);
  requireOne(context, ["evaluator", "reward-endpoint"]);
  const endpoint = context.text("reward-endpoint");
  const evaluator = endpoint === undefined ? {} : { evaluator: await evaluatorOf(context, endpoint) };
  await createJob(context, { ...(await requestFields(context)), ...evaluator });
};

async function createJob(context: Context, fields: Record<string, unknown>): Promise<void> {
  const wandb = fields["wandbConfig"] as Record<string, unknown> | undefined;
  if (wandb !== undefined) {
    const runId = wandb["runId"] ?? context.processContext.env["WANDB_RUN_ID"];
    fields["wandbConfig"] = { enabled: true, ...wandb, ...(runId !== undefined && { runId }) };
  }
  const job = await createObject(context, fields);
  if (!context.isQuiet) await context.out.resource(job);
}

/** @throws UsageError unless exactly one of the flags is set */
function requireOne({ flags }: Context, names: readonly string[]): void {
  const present = names.filter((name) => flags.has(name));
  const all = names.map((name) => `--${name}`).join(" or ");
  if (present.length === 0) throw new UsageError(`The job needs ${all}.`);
  if (present.length > 1) throw new UsageError(`The job takes ${all}, not both.`);
}

/** The full name of the evaluator in an address such as `https://host/v1/evaluations/my-evaluator`. */
async function evaluatorOf(context: Context, endpoint: string): Promise<string> {
  const id = /^https?:\/\/[^?#]*\/([^/?#]+)\/?$/.exec(endpoint)?.[1];
  if (id !== undefined) return fullName(context, "evaluators", id);
  throw new UsageError(
    "--reward-endpoint must be an address such as https://host/v1/evaluations/my-evaluator.",
  );
}
