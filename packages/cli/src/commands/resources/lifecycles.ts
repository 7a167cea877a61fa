import type { Resource } from "../resource.ts";

/** The parts of a resource that `--wait` needs. They are apart from the commands, which import the code that waits. */
type Lifecycle = Required<Pick<Resource, "words" | "states">>;

export const MODEL_LIFECYCLE: Lifecycle = {
  words: ["model", "models"],
  states: { done: ["READY"], failed: [], stuck: "UPLOADING" },
};

export const DEPLOYED_MODEL_LIFECYCLE: Lifecycle = {
  words: ["deployed-model", "deployed-models"],
  states: { done: ["DEPLOYED"], failed: [] },
};
