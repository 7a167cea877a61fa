import { describe, expect, test } from "vitest";
import { Template } from "../../../lib/jinja/template.ts";
import type { ConversationMessage } from "./conversation.ts";
import { parseToolRequest } from "./definitions.ts";
import { AssembledMessage } from "./response-message.ts";
import { functionsText, toolSystemPrompt, toTemplateInput } from "./template-messages.ts";
import { formatToolCalls } from "./tool-call-format.ts";
import { ToolCallStreamParser } from "./tool-call-stream-parser.ts";
import { isToolFormatName, selectToolFormat, syntaxesOf, TOOL_FORMATS } from "./tool-call-syntax.ts";

const request = parseToolRequest({
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "Weather.",
        parameters: { type: "object", properties: {} },
      },
    },
    { type: "function", function: { name: "get_time" } },
  ],
})!;

const turns: ConversationMessage[] = [
  { role: "user", content: "q" },
  {
    role: "assistant",
    content: "Wait.",
    toolCalls: [
      { id: "call_x", name: "get_weather", arguments: '{"city": "Rome"}' },
      { id: "call_y", name: "get_time", arguments: "{}" },
    ],
  },
  { role: "tool", content: "</tool_response>", name: "get_weather", toolCallId: "call_x" },
  { role: "tool", content: "12:00", name: "get_time", toolCallId: "call_y" },
];

const HERMES = `{% if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}{% for m in messages %}
{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>{{ c.function.arguments | tojson }}</tool_call>
{% endfor %}{% endif %}{% endfor %}`;
const CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";

describe("the tool format of a model", () => {
  test("is found by its chat template", () => {
    const shown = (template: string | null) => {
      const { format, native, argumentsAs } = selectToolFormat(undefined, template);
      return `${format.name} ${native} ${argumentsAs}`;
    };
    expect(shown(HERMES)).toBe("hermes true object");
    expect(shown(CHATML)).toBe("generic false object");
    expect(shown(null)).toBe("generic false object");
    expect(shown("{% if tools %}{% endif %}[TOOL_CALLS]")).toBe("mistral true object");
    expect(shown("{% if tools %}{% endif %}[TOOL_CALLS]x[ARGS]")).toBe("mistral-args true object");
    expect(shown("{% if tools %}{% endif %}<function=x>")).toBe("function-tag true object");
    expect(
      shown('<|start_header_id|>{% if tools %}{{ \'{"name": "x", "parameters": {}}\' }}{% endif %}'),
    ).toBe("llama3-json true object");
    // A template with an unknown tool format, or without the variable `tools`: the platform writes the tools itself.
    expect(shown("{% if tools %}{% endif %}<tool_call><parameter=x>")).toBe("generic false object");
    expect(shown("{{ 'the tools' }}{{ my_tools }}{{ x.tools }} tools <tool_call>")).toBe(
      "hermes false object",
    );
    expect(shown("{{ 'functools[' }}")).toBe("firefunction false object");
    expect(
      shown("{% for t in tools %}<tool_call>{{ 'x' + t['function']['arguments'] + 'y' }}{% endfor %}"),
    ).toBe("hermes true text");
  });

  test("is the catalog's hint when there is one", () => {
    expect(selectToolFormat("mistral", null)).toMatchObject({ format: { name: "mistral" }, native: false });
    expect(selectToolFormat("hermes", HERMES)).toMatchObject({ format: { name: "hermes" }, native: true });
    expect(selectToolFormat("generic", HERMES)).toMatchObject({ format: { name: "generic" }, native: false });
    expect(selectToolFormat("llama3-json", HERMES).native).toBe(false);
    expect(() => selectToolFormat("nothing", null)).toThrow(RangeError);
    expect(isToolFormatName("hermes") && !isToolFormatName("nothing")).toBe(true);
  });
});

describe("a template that supports tools", () => {
  test("gets tools and messages unchanged", () => {
    const prompt = toTemplateInput(selectToolFormat(undefined, HERMES), turns, request);
    expect(prompt.tools).toEqual([
      {
        type: "function",
        function: {
          name: "get_weather",
          description: "Weather.",
          parameters: { type: "object", properties: {} },
        },
      },
      { type: "function", function: { name: "get_time", parameters: { type: "object", properties: {} } } },
    ]);
    expect(prompt.messages.map((message) => message.role)).toEqual(["user", "assistant", "tool", "tool"]);
    expect(prompt.messages[1]?.tool_calls?.[0]).toEqual({
      id: "call_x",
      type: "function",
      function: { name: "get_weather", arguments: { city: "Rome" } },
    });
    expect(prompt.messages[2]).toMatchObject({ tool_call_id: "call_x", name: "get_weather" });
    const text = new Template(HERMES).render({ ...prompt }, { now: new Date(2026, 0, 1) });
    expect(text).toContain('<tool_call>{"city": "Rome"}</tool_call>');
  });

  test("gets Firefunction's variable functions as JSON text", () => {
    const { format, native } = selectToolFormat(undefined, "{{ functions }} functools[");
    expect([format.name, native]).toEqual(["firefunction", true]);
    const { tools } = toTemplateInput(selectToolFormat(undefined, HERMES), turns, request);
    expect(JSON.parse(functionsText(tools) as string)).toEqual(tools!.map((tool) => tool["function"]));
    expect(functionsText(null)).toBeNull();
  });

  test("gets no tools when none may be used, and arguments as texts when it joins them", () => {
    const chosen = { ...selectToolFormat(undefined, HERMES), argumentsAs: "text" as const };
    const prompt = toTemplateInput(chosen, turns, null);
    expect(prompt.tools).toBeNull();
    expect(prompt.messages[1]?.tool_calls?.[0]?.function.arguments).toBe('{"city": "Rome"}');
  });

  test("gets ids of the length that its family requires, the same for call and result", () => {
    const { messages } = toTemplateInput(
      selectToolFormat(undefined, "{{ tools }}[TOOL_CALLS]"),
      turns,
      request,
    );
    expect(messages[1]?.tool_calls?.map((call) => call.id)).toEqual(["000000001", "000000002"]);
    expect(messages.slice(2).map((message) => message.tool_call_id)).toEqual(["000000001", "000000002"]);
  });
});

describe("any other template", () => {
  const chosen = selectToolFormat(undefined, CHATML);

  test("gets plain messages: tools in a system message, calls as text, results from the user", () => {
    const { messages, tools } = toTemplateInput(chosen, turns, request);
    expect(tools).toBeNull();
    expect(messages.map((message) => Object.keys(message).join())).toEqual(Array(4).fill("role,content"));
    expect(messages.map((message) => message.role)).toEqual(["system", "user", "assistant", "user"]);
    expect(messages[0]?.content).toContain('{"name":"get_weather","description":"Weather."');
    expect(messages[2]?.content).toBe(
      'Wait.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>\n' +
        '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>',
    );
    // All results are in one message, and none can close its own tag.
    expect(messages[3]?.content.match(/<\/tool_response>/g)).toHaveLength(2);
    expect(messages[3]?.content).toContain('{"name":"get_time","content":"12:00"}');
  });

  test("gets the client's system text before the tools' description, and none without tools", () => {
    const system: ConversationMessage = { role: "system", content: "Be brief." };
    const { messages } = toTemplateInput(chosen, [system, ...turns], request);
    expect(messages).toHaveLength(4);
    expect(messages[0]?.content).toMatch(/^Be brief\.\n\nYou can call/);
    expect(toTemplateInput(chosen, [system], null).messages).toEqual([system]);
    expect(system.content).toBe("Be brief.");
  });

  test("gets alternating messages of user and assistant, and no system message when it refuses one", () => {
    const refusing = selectToolFormat(undefined, "{{ raise_exception('System role not supported') }}");
    const { messages } = toTemplateInput(refusing, [...turns, { role: "user", content: "And?" }], request);
    expect(messages.map((message) => message.role)).toEqual(["user", "assistant", "user"]);
    expect(messages[0]?.content).toMatch(/^You can call [\s\S]*\n\nq$/);
    expect(messages[2]?.content).toMatch(/<\/tool_response>\nAnd\?$/);
  });

  test("gets an example call that its family's parser accepts", () => {
    for (const format of TOOL_FORMATS) {
      const example = formatToolCalls(format.syntax, [
        { name: "function_name", arguments: '{"argument": "value"}' },
      ]);
      expect(toolSystemPrompt(format.syntax, request)).toContain(example);
      const parser = new ToolCallStreamParser({ syntaxes: syntaxesOf(format), names: ["function_name"] });
      const response = new AssembledMessage();
      response.add(parser.push(example));
      expect(response.toolCalls, format.name).toHaveLength(1);
    }
  });

  test("gets the request's tool_choice in words", () => {
    const { syntax } = chosen.format;
    expect(toolSystemPrompt(syntax, { ...request, choice: { kind: "named", name: "get_time" } })).toContain(
      "Call the function get_time now.\nMake one call at most.",
    );
    expect(toolSystemPrompt(syntax, { ...request, choice: { kind: "any" } })).toContain(
      "Call a function now.",
    );
    expect(toolSystemPrompt(syntax, { ...request, parallel: false })).toContain("Make one call at most.");
    expect(toolSystemPrompt(syntax, request)).toContain("Several calls may follow");
  });
});
