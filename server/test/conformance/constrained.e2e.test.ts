import { Ajv2020 } from "ajv/dist/2020.js";
import OpenAI from "openai";
import { beforeAll, describe, expect, test } from "vitest";
import { MODEL, type SharedHearth, sharedHearth } from "../harness/hearth.ts";
import { type HttpResponse, type Json, post, stream } from "../harness/http.ts";
import { expectError, expectShape } from "./contract.ts";

const CHAT = "/inference/v1/chat/completions";
const COMPLETIONS = "/inference/v1/completions";

let hearth: SharedHearth;
const ajv = new Ajv2020({ strict: false });

beforeAll(async () => {
  hearth = await sharedHearth();
});

const chatBody = (extra: object = {}) => ({
  model: MODEL,
  messages: [{ role: "user", content: "Tell me about a person." }],
  max_tokens: 200,
  temperature: 1,
  seed: 7,
  ...extra,
});

async function chat(extra: object = {}): Promise<HttpResponse> {
  const response = await post(hearth, CHAT, chatBody(extra));
  expect(response.status, response.text).toBe(200);
  expectShape("ChatCompletionResponse", response.json);
  return response;
}

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 120 },
    nick: { type: ["string", "null"], maxLength: 8 },
    kind: { enum: ["human", "robot"] },
    tags: { type: "array", items: { type: "string", pattern: "^[a-z]{2,5}$" }, minItems: 1, maxItems: 3 },
    home: { $ref: "#/$defs/place" },
  },
  required: ["name", "age", "kind", "tags"],
  $defs: {
    place: {
      type: "object",
      properties: { zip: { type: "string", pattern: "^\\d{5}$" } },
      required: ["zip"],
    },
  },
};

describe("structured output", () => {
  test.each([
    ["json_object", { type: "json_object", schema: PERSON }],
    ["json_object, the schema as text", { type: "json_object", schema: JSON.stringify(PERSON) }],
    ["json_schema", { type: "json_schema", json_schema: { name: "person", schema: PERSON, strict: true } }],
    ["json_schema without its wrapper", { type: "json_schema", json_schema: PERSON }],
  ])("%s gives valid JSON in chat, streamed or not, and in completions", async (_, response_format) => {
    const validate = ajv.compile(PERSON);
    for (const seed of [1, 2, 3]) {
      const whole = (await chat({ response_format, seed })).json.choices[0];
      expect(whole.finish_reason).toBe("stop");
      expect(validate(JSON.parse(whole.message.content)), whole.message.content).toBe(true);
    }
    const streamed = await stream(hearth, CHAT, chatBody({ response_format, seed: 1 }));
    const again = (await chat({ response_format, seed: 1 })).json.choices[0].message.content;
    expect(streamed.text).toBe(again);
    const completion = await post(hearth, COMPLETIONS, {
      model: MODEL,
      prompt: "A person:",
      max_tokens: 200,
      response_format,
    });
    expect(validate(JSON.parse(completion.json.choices[0].text)), completion.text).toBe(true);
  });

  test("json_object without a schema gives a JSON object or finish_reason length", async () => {
    const [choice] = (await chat({ response_format: { type: "json_object" }, max_tokens: 60 })).json.choices;
    expect(choice.message.content).toMatch(/^\{/);
    if (choice.finish_reason === "stop") expect(JSON.parse(choice.message.content)).toBeTypeOf("object");
  });

  test("a grammar from the client is followed exactly", async () => {
    const grammar = 'root ::= the_answer\nthe_answer ::= "I say " ("yes" | "no") "." \nunused ::= "x"';
    for (const seed of [1, 2, 3, 4]) {
      const response = await chat({ response_format: { type: "grammar", grammar }, seed });
      expect(response.json.choices[0].message.content).toMatch(/^I say (yes|no)\.$/);
      expect(response.json.choices[0].finish_reason).toBe("stop");
    }
  });

  test("keywords that can't be enforced are named in a header, and refused with strict", async () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", pattern: "(a+)+\\1$", maxLength: 4 } },
    };
    const response = await chat({ response_format: { type: "json_object", schema } });
    expect(response.headers["x-hearth-schema-unenforced"]).toContain("pattern");
    const strict = { type: "json_schema", json_schema: { name: "x", strict: true, schema } };
    expectError(
      await post(hearth, CHAT, chatBody({ response_format: strict })),
      "BAD_REQUEST",
      "response_format.json_schema.schema",
    );
  });

  test("numbers beyond doubles and the order of property names are as declared", async () => {
    const schema =
      '{"type":"object","properties":{"b":{"const":9007199254740993},"2":{"enum":[12345678901234567890]},"1":{"type":"null"}},"required":["b","2","1"]}';
    const expected = '{"b": 9007199254740993, "2": 12345678901234567890, "1": null}';
    const parameters = JSON.parse(schema) as object;
    const tool = { type: "function", function: { name: "act", parameters } };
    const body = JSON.stringify(chatBody({ response_format: { type: "json_object", schema: parameters } }));
    const toolBody = JSON.stringify(
      chatBody({ tools: [tool], tool_choice: "required", parallel_tool_calls: false }),
    );
    const send = async (text: string): Promise<Json> => {
      const response = await fetch(`${hearth.origin}${CHAT}`, {
        method: "POST",
        headers: { authorization: `Bearer ${hearth.apiKey}`, "content-type": "application/json" },
        body: text.replace(JSON.stringify(parameters), schema),
      });
      return ((await response.json()) as Json).choices[0].message;
    };
    expect((await send(body)).content).toBe(expected);
    expect((await send(toolBody)).tool_calls[0].function.arguments).toBe(expected);
    const asText = await chat({ response_format: { type: "json_object", schema } });
    expect(asText.json.choices[0].message.content).toBe(expected);
  });

  test("a schema without a type says in a header how it is read", async () => {
    const schema = { properties: { a: { maxLength: 3 } }, required: ["a"] };
    const reply = await chat({ response_format: { type: "json_object", schema } });
    expect(reply.headers["x-hearth-schema-implied-types"]).toBe("#=object, #/properties/a=string");
  });

  test("a stop text that would cut the output off is refused, any other is honoured", async () => {
    const response_format = { type: "json_object", schema: { enum: ["yes", "no"] } };
    const content = async (extra: object): Promise<string> =>
      (await chat({ response_format, ...extra })).json.choices[0].message.content;
    expect(await content({ stop: ["\nObservation:", "}"] })).toMatch(/^"(yes|no)"$/);
    expectError(
      await post(hearth, CHAT, chatBody({ response_format, stop: ["x", "es"] })),
      "BAD_REQUEST",
      "stop",
    );
    const completion = { model: MODEL, prompt: "Say:", response_format, stop: "o" };
    expectError(await post(hearth, COMPLETIONS, completion), "BAD_REQUEST", "stop");
  });

  test.each<[string, object, string, RegExp]>([
    [
      "a grammar with an error",
      { type: "grammar", grammar: 'root ::= "a" |\n  b' },
      "response_format.grammar",
      /line 2, column 3/,
    ],
    [
      "a left-recursive grammar",
      { type: "grammar", grammar: 'root ::= root "a" | "b"' },
      "response_format.grammar",
      /line 1/,
    ],
    [
      "a grammar of a megabyte",
      { type: "grammar", grammar: `root ::= "${"a".repeat(1e6)}"` },
      "response_format.grammar",
      /large/,
    ],
    ["no grammar", { type: "grammar" }, "response_format.grammar", /required/],
    [
      "a schema that is none",
      { type: "json_object", schema: { type: "strnig" } },
      "response_format.schema",
      /type/,
    ],
    ["a schema nothing fits", { type: "json_object", schema: { $ref: "#" } }, "response_format.schema", /./],
    [
      "a cycle without an end",
      { type: "json_object", schema: { type: "object", properties: { a: { $ref: "#" } }, required: ["a"] } },
      "response_format.schema",
      /./,
    ],
    ["a schema that is not JSON", { type: "json_object", schema: "{" }, "response_format.schema", /JSON/],
    ["json_schema without one", { type: "json_schema" }, "response_format.json_schema", /required/],
  ])("%s answers 400 that names the field and says why", async (_, response_format, param, why) => {
    const response = await post(hearth, CHAT, chatBody({ response_format }));
    expectError(response, "BAD_REQUEST", param);
    expect(response.json.error.message).toMatch(why);
  });

  test("a schema nested 10,000 deep is refused without holding up other streams", async () => {
    // Built as text: JSON.stringify would overflow the stack.
    const schema = `${'{"type":"array","items":'.repeat(10_000)}{"type":"string"}${"}".repeat(10_000)}`;
    const format = `"response_format":{"type":"json_object","schema":${schema}}`;
    const body = `${JSON.stringify(chatBody()).slice(0, -1)},${format}}`;
    const running = stream(hearth, CHAT, chatBody({ max_tokens: 40 }));
    expectError(await post(hearth, CHAT, body), "BAD_REQUEST", "response_format.schema");
    expect((await running).done).toBe(true);
  });
});

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", maxLength: 12 },
        unit: { enum: ["celsius", "fahrenheit"] },
        days: { type: "array", items: { type: "integer", minimum: 1, maximum: 7 }, maxItems: 3 },
      },
      required: ["city"],
    },
  },
};
const CLOCK = {
  type: "function",
  function: { name: "get_time", parameters: { type: "object", properties: {} } },
};
const tools = [WEATHER, CLOCK];

function expectCalls(calls: Json[]): void {
  expect(calls.length).toBeGreaterThan(0);
  for (const call of calls) {
    expect(call.id).toMatch(/^call_/);
    const tool = tools.find((one) => one.function.name === call.function.name);
    expect(tool, call.function.name).toBeDefined();
    const validate = ajv.compile({
      ...(tool as typeof WEATHER).function.parameters,
      additionalProperties: false,
    });
    expect(validate(JSON.parse(call.function.arguments)), call.function.arguments).toBe(true);
  }
}

describe("tools", () => {
  test.each([["required"], ["any"], [{ type: "function" }]])(
    "tool_choice %j gives calls whose arguments fit",
    async (tool_choice) => {
      for (const seed of [1, 2]) {
        const response = await chat({ tools, tool_choice, seed, parallel_tool_calls: false });
        const [choice] = response.json.choices;
        expect(choice.finish_reason).toBe("tool_calls");
        expect(choice.message.content).toBeNull();
        expect(choice.message.tool_calls).toHaveLength(1);
        expectCalls(choice.message.tool_calls);
      }
    },
  );

  test("tool_choice with a function's name calls that function", async () => {
    for (const tool_choice of [
      { type: "function", function: { name: "get_time" } },
      { type: "function", name: "get_time" },
    ]) {
      const [choice] = (await chat({ tools, tool_choice })).json.choices;
      expect(choice.message.tool_calls.map((call: Json) => call.function.name)).toEqual(["get_time"]);
    }
  });

  test("tool_choice none, and auto where the model calls no tool, give text", async () => {
    const [choice] = (await chat({ tools, tool_choice: "none", max_tokens: 8 })).json.choices;
    expect(choice.message).not.toHaveProperty("tool_calls");
    expect(choice.finish_reason).not.toBe("tool_calls");
  });

  test("streamed tool calls, joined, equal those of the unstreamed response", async () => {
    const ask = { tools, tool_choice: "required", temperature: 0, parallel_tool_calls: false };
    const whole = (await chat(ask)).json.choices[0].message.tool_calls;
    const { chunks } = await stream(hearth, CHAT, chatBody(ask));
    for (const chunk of chunks) expectShape("ChatCompletionChunk", chunk);
    const joined: Json[] = [];
    for (const chunk of chunks) {
      for (const delta of chunk.choices[0].delta.tool_calls ?? []) {
        if (delta.id !== undefined) {
          expect(delta).toMatchObject({
            index: joined.length,
            type: "function",
            function: { arguments: "" },
          });
          joined.push({ name: delta.function.name, arguments: "" });
        } else joined[delta.index].arguments += delta.function.arguments;
      }
    }
    expect(joined).toEqual(whole.map((call: Json) => call.function));
    expect(chunks.at(-1).choices[0].finish_reason).toBe("tool_calls");
  });

  test("the OpenAI SDK reads a forced tool call, runs it and gets an answer to the result", async () => {
    const client = new OpenAI({ baseURL: hearth.baseUrl, apiKey: hearth.apiKey });
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Weather in Paris?" }];
    const first = await client.chat.completions.create({
      model: MODEL,
      messages,
      tools: tools as OpenAI.ChatCompletionTool[],
      tool_choice: "required",
      parallel_tool_calls: false,
      max_tokens: 100,
    });
    const answer = first.choices[0]?.message as OpenAI.ChatCompletionMessage;
    const [call] = answer.tool_calls as OpenAI.ChatCompletionMessageToolCall[];
    messages.push(answer, {
      role: "tool",
      tool_call_id: (call as { id: string }).id,
      content: '{"celsius": 21}',
    });
    const second = await client.chat.completions.create({
      model: MODEL,
      messages,
      tools: tools as OpenAI.ChatCompletionTool[],
      tool_choice: "none",
      max_tokens: 8,
    });
    expect(second.choices[0]?.message.content?.length).toBeGreaterThan(0);
  });

  test.each<[object, string]>([
    [{ tools, tool_choice: { type: "function", function: { name: "nope" } } }, "tool_choice.function.name"],
    [{ tool_choice: "required" }, "tool_choice"],
    [
      { tools: [{ type: "function", function: { name: "f", parameters: { type: "strnig" } } }] },
      "tools[0].function.parameters.type",
    ],
    [{ tools: [WEATHER, WEATHER] }, "tools[1].function.name"],
    [{ tools, functions: [{ name: "f" }] }, "functions"],
    [{ tools, tool_choice: "required", response_format: { type: "json_object" } }, "response_format"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].tool_call_id"],
    [{ reasoning_effort: "high" }, "reasoning_effort"],
  ])("%j is refused by the name of the field", async (extra, param) => {
    expectError(await post(hearth, CHAT, chatBody(extra)), "BAD_REQUEST", param);
  });
});
