import type { Resources } from "@hearth/sdk";
import type { Flag } from "../args/flags.ts";
import type { Column } from "../output/table.ts";
import type { Command, Run } from "./command.ts";
import type { Argument } from "./command-spec.ts";

export type VerbName = "create" | "get" | "list" | "update" | "delete" | "undelete" | "scale";

/** A command of a resource. */
export interface Verb {
  readonly verb: VerbName;
  readonly summary: string;
  /** Default: the resource's id; none for lists. */
  readonly args?: readonly Argument[];
  readonly flags?: readonly Flag[];
  readonly examples: readonly string[];
  /** Default: the verb's function in `DEFAULT_RUNS`. */
  readonly load?: () => Promise<Run>;
}

/** A resource of the API and its commands, as data. */
export interface Resource {
  /** The collection: the client's property, the field of a list's items and the segment of names. */
  readonly collection: keyof Resources & string;
  /** The name in messages, such as `API key`. */
  readonly title: string;
  /** Singular, plural and aliases on the command line. */
  readonly words: readonly string[];
  readonly columns: readonly Column[];
  /** The pattern of ids. Default: the rules for new ids, but with capitals and a leading digit allowed. */
  readonly idPattern?: RegExp;
  /** The request field of `create` that holds the new id. */
  readonly newId?: string;
  /** The field of a create request that holds the resource. Default: the request is the resource. */
  readonly envelope?: string;
  /** The final states for `--wait`. `stuck` is a state that a failed resource never leaves; then its status has the error. */
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
