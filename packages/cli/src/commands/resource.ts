import type { Resources } from "@hearth/sdk";
import type { Flag } from "../args/flags.ts";
import type { Column } from "../output/table.ts";
import type { Argument, Command, Run } from "./command.ts";
import { PAGE_FLAGS } from "./global-flags.ts";

export type VerbName = "create" | "get" | "list" | "update" | "delete" | "undelete" | "scale";

/** What can be done with a kind of thing. */
export interface Verb {
  readonly verb: VerbName;
  readonly summary: string;
  /** Default: the thing's id, for all but lists. */
  readonly args?: readonly Argument[];
  readonly flags?: readonly Flag[];
  readonly examples: readonly string[];
  /** Default: what the verb does with every kind. */
  readonly load?: () => Promise<Run>;
}

/** A kind of thing that commands are about, as data. */
export interface Resource {
  /** Where the client has its methods; also the field of a list's items and the part of names. */
  readonly collection: keyof Resources & string;
  /** In sentences. */
  readonly title: string;
  /** Singular, plural, other names. */
  readonly words: readonly string[];
  readonly columns: readonly Column[];
  /** What ids look like; default as the rules for new ones have it, a digit in front allowed. */
  readonly idPattern?: RegExp;
  /** Where `create` takes the new id from: a flag's field. */
  readonly newId?: string;
  /** The field of a create request that holds the thing; default: the request is the thing. */
  readonly envelope?: string;
  /** States that `--wait` waits for; `stuck`: one that ends only when nothing goes wrong, which the status says. */
  readonly states?: {
    readonly done: readonly string[];
    readonly failed: readonly string[];
    readonly stuck?: string;
  };
  readonly verbs: readonly Verb[];
}

export interface ResourceCommand extends Command {
  readonly resource: Resource;
}

function withPluralFirst([singular = "", plural = "", ...others]: readonly string[]): string[] {
  return [plural, singular, ...others];
}

const LIST_FLAGS: readonly Flag[] = [
  {
    name: "filter",
    type: "string",
    help: "List what satisfies the filter alone. See https://google.aip.dev/160 for the grammar.",
  },
  {
    name: "order-by",
    type: "string",
    help: 'Fields to order by, with commas; " desc" behind a field turns it round.',
  },
  ...PAGE_FLAGS,
];

/** The commands of a kind. */
export function commandsOf(resource: Resource): ResourceCommand[] {
  return resource.verbs.map(({ verb, summary, args, flags = [], examples, load }) => ({
    resource,
    words: [[verb], verb === "list" ? withPluralFirst(resource.words) : resource.words],
    summary,
    args: args ?? (verb === "list" ? [] : [{ name: `${resource.title.replaceAll(" ", "-")}-id` }]),
    flags: verb === "list" ? [...flags, ...LIST_FLAGS] : flags,
    examples,
    load: load ?? (() => import("./crud.ts").then(({ RUNS }) => RUNS[verb] as Run)),
  }));
}
