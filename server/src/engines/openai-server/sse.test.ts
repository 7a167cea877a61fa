import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LLAMA_STREAM, VLLM_STREAM } from "./fake-upstream.ts";
import { SseOverflowError, SseParser } from "./sse.ts";

function parse(chunks: Buffer[], maxEventBytes = 1_000_000): string[] {
  const events: string[] = [];
  const parser = new SseParser((data) => events.push(data), maxEventBytes);
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return events;
}

function cut(bytes: Buffer, points: number[]): Buffer[] {
  const sorted = [...points].sort((a, b) => a - b);
  const chunks: Buffer[] = [];
  let from = 0;
  for (const point of [...sorted, bytes.length]) {
    chunks.push(bytes.subarray(from, point));
    from = point;
  }
  return chunks;
}

describe("SseParser", () => {
  const streams = [VLLM_STREAM, LLAMA_STREAM, VLLM_STREAM.replaceAll("\n", "\r\n")];

  it("delivers the same events at every split point, inside characters and CRLF included", () => {
    for (const stream of streams) {
      const bytes = Buffer.from(stream);
      const whole = parse([bytes]);
      expect(whole.at(-1)).toBe("[DONE]");
      for (let at = 0; at <= bytes.length; at += 1) expect(parse(cut(bytes, [at]))).toEqual(whole);
    }
  });

  it("delivers the same events however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ unit: "grapheme" }), fc.constant("[DONE]")), { maxLength: 6 }),
        fc.constantFrom("\n", "\r\n"),
        fc.array(fc.nat(400), { maxLength: 20 }),
        (texts, eol, points) => {
          const payloads = texts.map((text) => JSON.stringify(text));
          const bytes = Buffer.from(
            payloads.map((p) => `: c${eol}data: ${p}${eol}id: 1${eol}${eol}`).join(""),
          );
          expect(
            parse(
              cut(
                bytes,
                points.filter((p) => p <= bytes.length),
              ),
            ),
          ).toEqual(payloads);
        },
      ),
    );
  });

  it("accepts one byte at a time", () => {
    const bytes = Buffer.from(VLLM_STREAM);
    expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toEqual(parse([bytes]));
  });

  it("joins data lines, skips comments, other fields and events without data, and strips one leading space", () => {
    const text = "\ufeffdata:a\ndata:  b\n\n: ping\n\nevent: x\nid: 4\n\ndatas: no\ndata\n\ndata: last";
    expect(parse([Buffer.from(text)])).toEqual(["a\n b", "", "last"]);
  });

  it("refuses an event larger than maxEventBytes, with or without a line end", () => {
    expect(() => parse([Buffer.alloc(101, 97)], 100)).toThrow(SseOverflowError);
    expect(() => parse(new Array(60).fill(Buffer.from("data: a\n")), 100)).toThrow(SseOverflowError);
    expect(parse(new Array(60).fill(Buffer.from("data: a\n\n")), 100)).toHaveLength(60);
  });
});
