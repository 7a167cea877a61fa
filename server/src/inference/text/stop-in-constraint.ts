import { badRequest } from "../../lib/errors.ts";
import { findContainedText } from "../../structured-output/grammar-compiler.ts";

/** Most characters of a stop text in the message. */
const MAX_SHOWN = 40;

/**
 * Refuses stop texts that can occur inside a constrained output: they would cut it off where it is not valid.
 * @param constraint the grammar of the whole output. Null: the output is unconstrained, and may stop anywhere.
 * @throws AppError BAD_REQUEST naming `stop`; UNAVAILABLE
 */
export async function refuseStopInConstraint({
  constraint,
  stops,
  accountId,
}: {
  constraint: { grammar: string } | null;
  stops: readonly string[];
  accountId: string;
}): Promise<void> {
  if (constraint === null || stops.length === 0) return;
  const found = await findContainedText({ grammar: constraint.grammar, texts: stops, accountId });
  if (found === null) return;
  throw badRequest(
    "stop",
    `stop: ${JSON.stringify(found.slice(0, MAX_SHOWN))} can occur inside the constrained output and would cut it off.`,
  );
}
