/** How one family of models writes a tool call. Parser, grammar and prompts are all made from it. */
export interface ToolCallSyntax {
  /** Text that begins a call, or the list of calls. */
  begin: string;
  /** The family writes calls without `begin`. Such a call counts only at the start of the output. */
  bare: boolean;
  /** All calls of an output are in one JSON array after a single `begin`. */
  list: boolean;
  /**
   * `object`: the call is `{"name": …, "<argumentsKey>": …}`. `tag`: the name follows `begin`, then `nameEnd`, then the
   * arguments.
   */
  head: { kind: "object"; argumentsKey: "arguments" | "parameters" } | { kind: "tag"; nameEnd: string };
  /** Text after a call's JSON; empty: none. */
  end: string;
  /** White space that the family writes inside `begin` and `end`. The parser accepts any amount. */
  padding: string;
  /** Text between two calls. */
  separator: string;
}

export interface ToolFormat {
  name: ToolFormatName;
  /** The syntax that prompts and grammars use. */
  syntax: ToolCallSyntax;
  /** Further syntaxes that the parser accepts. */
  alsoAccepted: readonly ToolCallSyntax[];
  /** A chat template is the family's when all of these match. */
  templateMarkers: readonly RegExp[];
  /** Length of call ids that the family's templates require; null: any. */
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

// The reference's first example asks for <function=…> in its system prompt whatever the model, so every family may write it.
const ALSO_FUNCTION_TAG = [FUNCTION_TAG];

/** The first format whose markers match a chat template is the model's. */
export const TOOL_FORMATS: readonly ToolFormat[] = [
  {
    name: "hermes",
    syntax: TAGGED_JSON,
    alsoAccepted: ALSO_FUNCTION_TAG,
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
    alsoAccepted: ALSO_FUNCTION_TAG,
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
    alsoAccepted: ALSO_FUNCTION_TAG,
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
    alsoAccepted: ALSO_FUNCTION_TAG,
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
    alsoAccepted: ALSO_FUNCTION_TAG,
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
    alsoAccepted: ALSO_FUNCTION_TAG,
    templateMarkers: [],
    callIdLength: null,
  },
];

export interface SelectedToolFormat {
  format: ToolFormat;
  /** The template renders tools, calls and results itself; otherwise they are written into plain messages. */
  native: boolean;
  /** How a native template expects the arguments of earlier calls: as a JSON object, or as its JSON text. */
  argumentsAs: "object" | "text";
  /** Whether the template accepts system messages. If not, the tools' description goes into the first user message. */
  supportsSystemRole: boolean;
}

export function isToolFormatName(name: string): name is ToolFormatName {
  return TOOL_FORMATS.some((format) => format.name === name);
}

/**
 * The tool format of a model, by the catalog's hint or by its chat template. A template with an unknown tool format counts
 * as one without tools, so that the form in the prompt and the form that the parser accepts always agree.
 * @throws RangeError for a hint that names no format, which is a defect of the catalog.
 */
export function selectToolFormat(hint: string | undefined, chatTemplate: string | null): SelectedToolFormat {
  const template = chatTemplate ?? "";
  const offersTools = mentionsTools(template);
  const detected = TOOL_FORMATS.find(
    ({ templateMarkers }) =>
      templateMarkers.length > 0 && templateMarkers.every((marker) => marker.test(template)),
  );
  const format = hint === undefined ? (detected ?? findToolFormat("generic")) : findToolFormat(hint);
  return {
    format,
    native:
      format.name !== "generic" &&
      offersTools &&
      (hint === undefined || detected === undefined || detected === format),
    argumentsAs: joinsArguments(template) ? "text" : "object",
    supportsSystemRole: !/system role (?:is )?not supported/i.test(template),
  };
}

/** The texts that mark calls in the output. */
export function toolCallMarkers(format: ToolFormat): string[] {
  return syntaxesOf(format).flatMap(({ begin, head, end }) =>
    [begin, head.kind === "tag" ? head.nameEnd : "", end].filter((text) => text !== ""),
  );
}

/** The syntaxes that the parser accepts, the family's own first. */
export function syntaxesOf(format: ToolFormat): readonly ToolCallSyntax[] {
  return [format.syntax, ...format.alsoAccepted];
}

function findToolFormat(name: string): ToolFormat {
  const format = TOOL_FORMATS.find((candidate) => candidate.name === name);
  if (format === undefined) throw new RangeError(`There is no tool format ${name}.`);
  return format;
}

/** Whether the template's code, without its texts and strings, reads the variable `tools`, or Firefunction's `functions`. */
function mentionsTools(template: string): boolean {
  const code = template.match(/\{[{%][\s\S]*?[%}]\}/g) ?? [];
  return code.some((part) =>
    /(?<![\w.])(?:tools|functions)\b/.test(part.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, "''")),
  );
}

/** Whether the template appends arguments to other text with `+`, which works with strings only. */
function joinsArguments(template: string): boolean {
  return /\+\s*[\w.]+(?:\[["']\w+["']\])*(?:\.|\[["'])arguments(?:["']\])?\s*(?:\+|-?[%}]\})/.test(template);
}
