import type { Resources } from "@hearth/sdk";
import type { Flag } from "../args/flags.ts";
import type { Column } from "../output/table.ts";
import type { Command, Run } from "./command.ts";
import type { Argument } from "./command-spec.ts";

export type VerbName = "create" | "get" | "list" | "update" | "delete" | "undelete" | "scale";

/** What can be done with a kind of object. */
export interface Verb {
  readonly verb: VerbName;
  readonly summary: string;
  /** Default: the object's id, for all but lists. */
  readonly args?: readonly Argument[];
  readonly flags?: readonly Flag[];
  readonly examples: readonly string[];
  /** Default: what the verb does with every kind. */
  readonly load?: () => Promise<Run>;
}

/** A kind of object that commands are about, as data. */
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
  /** The field of a create request that holds the object; default: the request is the object. */
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
