import type { Flag } from "../args/flags.ts";
import type { Run } from "./command.ts";
import { PAGE_FLAGS } from "./global-flags.ts";
import type { Resource, ResourceCommand } from "./resource.ts";

function withPluralFirst([singular = "", plural = "", ...others]: readonly string[]): string[] {
  return [plural, singular, ...others];
}

const LIST_FLAGS: readonly Flag[] = [
  {
    name: "filter",
    type: "string",
    help: "List only what matches the filter. See https://google.aip.dev/160 for the grammar.",
  },
  {
    name: "order-by",
    type: "string",
    help: 'Fields to order by, separated by commas; " desc" after a field reverses the order.',
  },
  ...PAGE_FLAGS,
];

/** The commands of a resource, one for each verb. */
export function commandsOf(resource: Resource): ResourceCommand[] {
  return resource.verbs.map(({ verb, summary, args, flags = [], examples, load }) => ({
    resource,
    words: [[verb], verb === "list" ? withPluralFirst(resource.words) : resource.words],
    summary,
    args: args ?? (verb === "list" ? [] : [{ name: `${resource.title.replaceAll(" ", "-")}-id` }]),
    flags: verb === "list" ? [...flags, ...LIST_FLAGS] : flags,
    examples,
    load: load ?? (() => import("./crud.ts").then(({ DEFAULT_RUNS }) => DEFAULT_RUNS[verb] as Run)),
  }));
}
