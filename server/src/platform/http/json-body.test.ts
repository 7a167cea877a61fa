import { once } from "node:events";
import { type ClientRequest, createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AppError } from "../../lib/errors.ts";
import { BodyMemory } from "./body-memory.ts";
import { parseJson, readJsonBody } from "./json-body.ts";

const refusalOf = (text: string | Buffer): AppError => {
  try {
    parseJson(Buffer.from(text as string));
  } catch (error) {
    return error as AppError;
  }
  throw new Error("was accepted");
};

describe("JSON bodies", () => {
  test("any JSON value without unpaired surrogates is parsed unchanged", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test("any bytes give a value or BAD_REQUEST", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          parseJson(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).code).toBe("BAD_REQUEST");
        }
      }),
    );
  });

  test.each([
    ['{"messages":[{"content":"\\ud83d"}]}', "messages[0].content"],
    ['{"a":{"\\udc00":1}}', "a"],
    ['"\\udfff"', "body"],
  ])("an unpaired surrogate is refused with its field's name: %s", (text, param) => {
    expect(refusalOf(text)).toMatchObject({ code: "BAD_REQUEST", param });
  });

  test("a surrogate pair, escaped or not, is accepted", () => {
    expect(parseJson(Buffer.from('["\\ud83d\\ude00","😀"]'))).toEqual(["😀", "😀"]);
  });

  test("bytes that are not UTF-8 are refused, not replaced", () => {
    expect(refusalOf(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ code: "BAD_REQUEST", param: "body" });
  });

  test("nesting that would exhaust the stack is refused", () => {
    const deep = `${"[".repeat(100_000)}"\\ud83d"${"]".repeat(100_000)}`;
    expect(refusalOf(deep)).toMatchObject({ code: "BAD_REQUEST" });
  });

  test("the error message for malformed JSON quotes nothing of the body", () => {
    expect(refusalOf('{"secret": sesame}').message).not.toMatch(/sesame|secret/);
  });
});

describe("large JSON bodies", () => {
  const memory = new BodyMemory(1_000_000);
  /** Resolvers of the responses that are held open, by their path. */
  const open = new Map<string, () => void>();
  let server: Server;

  beforeAll(async () => {
    server = createServer((req, res) => {
      readJsonBody(req, { limitBytes: 800_000, memory, response: res }, (error) => {
        const end = () => res.writeHead(error?.status ?? 200).end(error?.message ?? "read");
        if (req.url === "/") end();
        else open.set(req.url!, end);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterAll(() => server.close());

  const post = (path = "/"): ClientRequest =>
    request({ port: (server.address() as AddressInfo).port, path, method: "POST", agent: false });
  const statusOf = async (sent: ClientRequest): Promise<number> => {
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    return response.statusCode!;
  };
  const send = (body: string, path?: string) => {
    const sent = post(path);
    sent.end(body);
    return sent;
  };
  const text = (bytes: number) => `"${"x".repeat(bytes - 2)}"`;
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };

  test("of all clients share a bounded memory, which small bodies never wait for", async () => {
    const half = post();
    half.write(text(600_000).slice(0, 599_000));
    await until(() => memory.usedBytes === 599_000);
    expect(await statusOf(send(text(500_000)))).toBe(503);
    expect(await statusOf(send(text(60_000)))).toBe(200);
    expect(memory.usedBytes).toBe(599_000);
    half.end('"');
    expect(await statusOf(half)).toBe(200);
    await until(() => memory.usedBytes === 0);
    expect(await statusOf(send(text(500_000)))).toBe(200);
  });

  test("free their memory when the response ends, and when their client disconnects", async () => {
    const sent = send(text(700_000), "/held");
    await until(() => open.has("/held"));
    expect(memory.usedBytes).toBe(700_000);
    open.get("/held")!();
    expect(await statusOf(sent)).toBe(200);
    await until(() => memory.usedBytes === 0);
    const gone = post();
    gone.on("error", () => {});
    gone.write(text(300_000));
    await until(() => memory.usedBytes === 300_000);
    gone.destroy();
    await until(() => memory.usedBytes === 0);
  });

  test("of too many values are refused before they are parsed", async () => {
    const values = `[${"1,".repeat(390_000)}`;
    const sent = send(`${values.slice(0, -1)}]`);
    expect(await statusOf(sent)).toBe(200);
    const names = `{${Array.from({ length: 50_001 }, (_, i) => `"${i}":0`).join(",")}}`;
    expect(await statusOf(send(names))).toBe(413);
    await until(() => memory.usedBytes === 0);
  });
});
