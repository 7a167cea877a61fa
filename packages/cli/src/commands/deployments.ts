import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import type { Context } from "./context.ts";
import { createObject, requestFields } from "./crud.ts";
import { fullName, readName } from "./names.ts";

export const createDeployment: Run = async (context) => {
  const [positional] = context.args;
  const flag = context.text("model-id");
  const model = positional ?? flag;
  if (model === undefined || (positional !== undefined && flag !== undefined && positional !== flag)) {
    throw new UsageError(
      "firectl create deployment needs one model.",
      'For example "firectl create deployment my-model", or --model-id my-model.',
    );
  }
  checkSpeculation(context);
  readName("model", "models", model);
  const fields = await requestFields(context);
  await context.out.resource(
    await createObject(context, { ...fields, baseModel: await fullName(context, "models", model) }),
  );
};

function checkSpeculation({ flags }: Context): void {
  const [draft, ngram] = [flags.has("draft-model"), flags.has("ngram-speculation-length")];
  if (draft && ngram)
    throw new UsageError("--draft-model and --ngram-speculation-length can't be used together.");
  if ((draft || ngram) && !flags.has("draft-token-count")) {
    throw new UsageError(
      `--${draft ? "draft-model" : "ngram-speculation-length"} needs --draft-token-count.`,
      "Try --draft-token-count=4, or 3 for eagle models.",
    );
  }
}
