/** How one family of models writes a call. Parser, grammar and prompts all read this; none knows a family by name. */
export interface ToolCallSyntax {
  /** Announces a call, or the list of calls. */
  begin: string;
  /** The family writes calls without `begin`, which then are calls only where the output starts with one. */
  bare: boolean;
  /** All calls of a reply stand in one JSON array behind one `begin`. */
  list: boolean;
  /**
   * `object`: the call is `{"name": …, "arguments": …}`, under the key told here. `tag`: the name follows `begin`,
   * then `nameEnd`, then the arguments.
   */
  head: { kind: "object"; argumentsKey: "arguments" | "parameters" } | { kind: "tag"; nameEnd: string };
  /** Follows a call's JSON; empty where nothing does. */
  end: string;
  /** White space the family writes inside `begin` and `end`. More or less of it is understood too. */
  padding: string;
  /** Stands between two calls. */
  separator: string;
}

export interface ToolFormat {
  name: ToolFormatName;
  /** How the model is expected to write calls. */
  syntax: ToolCallSyntax;
  /** How it may write them too. */
  alsoAccepted: readonly ToolCallSyntax[];
  /** What a chat template of the family shows; all must match. */
  templateMarkers: readonly RegExp[];
  /** Length the family's templates demand of call identifiers; null when any will do. */
  callIdLength: number | null;
}

export type ToolFormatName =
  | "hermes"
  | "llama3-json"
  | "function-tag"
  | "mistral"
  | "mistral-args"
  | "firefunction"
  | "generic";

const TAGGED_JSON: ToolCallSyntax = {
  begin: "<tool_call>",
  bare: false,
  list: false,
  head: { kind: "object", argumentsKey: "arguments" },
  end: "</tool_call>",
  padding: "\n",
  separator: "\n",
};

const FUNCTION_TAG: ToolCallSyntax = {
  begin: "<function=",
  bare: false,
  list: false,
  head: { kind: "tag", nameEnd: ">" },
  end: "</function>",
  padding: "",
  separator: "\n",
};

// The reference's first example asks for <function=…> in its own system prompt, whatever the model: any family may
// be told to write it.
const TAG_TOO = [FUNCTION_TAG];

/** In the order in which a chat template's markers decide. */
export const TOOL_FORMATS: readonly ToolFormat[] = [
  {
    name: "hermes",
    syntax: TAGGED_JSON,
    alsoAccepted: TAG_TOO,
    // Templates that write arguments as XML elements use the same tag for something else.
    templateMarkers: [/<tool_call>/, /^(?![\s\S]*(?:<parameter=|<arg_key>|<function=|<invoke ))/],
    callIdLength: null,
  },
  {
    name: "mistral-args",
    syntax: {
      begin: "[TOOL_CALLS]",
      bare: false,
      list: false,
      head: { kind: "tag", nameEnd: "[ARGS]" },
      end: "",
      padding: "",
      separator: "",
    },
    alsoAccepted: TAG_TOO,
    templateMarkers: [/\[TOOL_CALLS\]/, /\[ARGS\]/, /^(?![\s\S]*\[CALL_ID\])/],
    callIdLength: 9,
  },
  {
    name: "mistral",
    syntax: {
      begin: "[TOOL_CALLS]",
      bare: false,
      list: true,
      head: { kind: "object", argumentsKey: "arguments" },
      end: "",
      padding: "",
      separator: ", ",
    },
    alsoAccepted: TAG_TOO,
    templateMarkers: [/\[TOOL_CALLS\]/, /^(?![\s\S]*\[ARGS\])/],
    callIdLength: 9,
  },
  {
    name: "firefunction",
    syntax: {
      begin: "functools",
      bare: false,
      list: true,
      head: { kind: "object", argumentsKey: "arguments" },
      end: "",
      padding: "",
      separator: ", ",
    },
    alsoAccepted: TAG_TOO,
    templateMarkers: [/functools\[/],
    callIdLength: null,
  },
  {
    name: "llama3-json",
    syntax: {
      begin: "<|python_tag|>",
      bare: true,
      list: false,
      head: { kind: "object", argumentsKey: "parameters" },
      end: "",
      padding: "",
      separator: "; ",
    },
    alsoAccepted: TAG_TOO,
    templateMarkers: [/"name":\s*/, /"parameters":\s*/, /<\|start_header_id\|>/],
    callIdLength: null,
  },
  {
    name: "function-tag",
    syntax: FUNCTION_TAG,
    alsoAccepted: [],
    templateMarkers: [/<function=/, /^(?![\s\S]*<parameter=)/],
    callIdLength: null,
  },
  {
    name: "generic",
    syntax: TAGGED_JSON,
    alsoAccepted: TAG_TOO,
    templateMarkers: [],
    callIdLength: null,
  },
];

export interface SelectedToolFormat {
  format: ToolFormat;
  /** The template presents tools, calls and results itself; otherwise they are written into plain messages. */
  native: boolean;
  /** A native template takes the arguments of earlier calls as values, or as their JSON text. */
  argumentsAs: "object" | "text";
  /** The template takes system messages; where it doesn't, the text about tools goes to the user's first. */
  supportsSystemRole: boolean;
}

export function isToolFormatName(name: string): name is ToolFormatName {
  return TOOL_FORMATS.some((format) => format.name === name);
}

/**
 * The format of a model: the catalog's hint, or what its chat template shows. A template that offers tools in a form
 * not known here counts as one without tools, so that what the model is told and what is parsed always agree.
 * @throws RangeError for a hint that names no format: a defect of the catalog.
 */
export function selectToolFormat(hint: string | undefined, chatTemplate: string | null): SelectedToolFormat {
  const template = chatTemplate ?? "";
  const offersTools = mentionsTools(template);
  const shown = TOOL_FORMATS.find(
    ({ templateMarkers }) =>
      templateMarkers.length > 0 && templateMarkers.every((marker) => marker.test(template)),
  );
  const format = hint === undefined ? (shown ?? findToolFormat("generic")) : findToolFormat(hint);
  return {
    format,
    native:
      format.name !== "generic" &&
      offersTools &&
      (hint === undefined || shown === undefined || shown === format),
    argumentsAs: joinsArguments(template) ? "text" : "object",
    supportsSystemRole: !/system role (?:is )?not supported/i.test(template),
  };
}

/** What the parser looks for: the family's own syntax first. */
export function syntaxesOf(format: ToolFormat): readonly ToolCallSyntax[] {
  return [format.syntax, ...format.alsoAccepted];
}

function findToolFormat(name: string): ToolFormat {
  const format = TOOL_FORMATS.find((candidate) => candidate.name === name);
  if (format === undefined) throw new RangeError(`There is no tool format ${name}.`);
  return format;
}

/** Whether the template reads the variable `tools`: in its code, not in text or a string. */
function mentionsTools(template: string): boolean {
  const code = template.match(/\{[{%][\s\S]*?[%}]\}/g) ?? [];
  return code.some((part) =>
    /(?<![\w.])tools\b/.test(part.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, "''")),
  );
}

/** Whether the template glues arguments to other text with `+`, which works with text alone. */
function joinsArguments(template: string): boolean {
  return /\+\s*[\w.]+(?:\[["']\w+["']\])*(?:\.|\[["'])arguments(?:["']\])?\s*(?:\+|-?[%}]\})/.test(template);
}
