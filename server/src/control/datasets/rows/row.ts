import type { JsonObject } from "./json-line.ts";
import { isObject } from "./json-line.ts";
import { checkAssistantOutput, checkMessages, checkTools, type RowSize, textTokens } from "./messages.ts";
import { RowError } from "./row-error.ts";

/** `request` is a line of a batch: `{custom_id, body}`. */
export type RowKind = "chat" | "completion" | "preference" | "request";

export type DatasetFormat = "CHAT" | "COMPLETION" | "RL";

export interface Row extends RowSize {
  kind: RowKind;
  /**
   * The format of a dataset of such rows. A chat without an assistant message can only be a prompt for reinforcement
   * learning.
   */
  format: DatasetFormat;
}

/** Checks a row. Other fields than those of its kind are for evaluators and may hold anything. @throws RowError */
export function checkRow(row: JsonObject): Row {
  if ("messages" in row) return checkChat(row);
  if ("preferred_output" in row || "non_preferred_output" in row) return checkPreference(row);
  if ("body" in row) return checkRequest(row);
  if ("prompt" in row || "completion" in row) return checkCompletion(row);
  throw new RowError(
    "has neither messages, nor prompt and completion, nor input and two outputs, nor a body",
  );
}

function checkChat(row: JsonObject): Row {
  const { turns, tokens, hasTrainedMessage } = checkMessages(row["messages"], "messages");
  return {
    kind: "chat",
    format: hasTrainedMessage ? "CHAT" : "RL",
    turns,
    tokens: tokens + checkTools(row["tools"], "tools"),
  };
}

function checkCompletion(row: JsonObject): Row {
  const { prompt, completion } = row;
  if (typeof prompt !== "string") throw new RowError("prompt must be text");
  if (typeof completion !== "string" || completion === "") {
    throw new RowError("completion must be text that is not empty");
  }
  return { kind: "completion", format: "COMPLETION", turns: 1, tokens: textTokens(prompt + completion) };
}

function checkPreference(row: JsonObject): Row {
  const { input } = row;
  if (!isObject(input)) throw new RowError("input must be an object with messages");
  const { turns, tokens, lastRole } = checkMessages(input["messages"], "input.messages");
  if (lastRole === "assistant") throw new RowError("input.messages must not end with an assistant message");
  const outputs =
    checkAssistantOutput(row["preferred_output"], "preferred_output") +
    checkAssistantOutput(row["non_preferred_output"], "non_preferred_output");
  const tools = checkTools(input["tools"], "input.tools");
  return { kind: "preference", format: "CHAT", turns, tokens: tokens + outputs + tools };
}

/** Checks only the prompt of the body. The endpoint checks the other fields when the batch runs. */
function checkRequest(row: JsonObject): Row {
  const { custom_id: id, body } = row;
  if (typeof id !== "string" || id === "") throw new RowError("custom_id must be text that is not empty");
  if (!isObject(body)) throw new RowError("body must be an object with messages or prompt");
  if ("messages" in body) {
    const { turns, tokens } = checkMessages(body["messages"], "body.messages");
    const tools = checkTools(body["tools"], "body.tools");
    return { kind: "request", format: "CHAT", turns, tokens: tokens + tools };
  }
  if (typeof body["prompt"] !== "string")
    throw new RowError("body must have messages, or a prompt that is text");
  return { kind: "request", format: "COMPLETION", turns: 1, tokens: textTokens(body["prompt"]) };
}
