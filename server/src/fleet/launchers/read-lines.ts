import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Longest line that is passed on in one piece, in characters. */
const MAX_LINE_LENGTH = 2000;

/** Splits a stream into lines. A line longer than 2,000 characters comes in pieces. */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop()!;
    for (; rest.length > MAX_LINE_LENGTH; rest = rest.slice(MAX_LINE_LENGTH))
      lines.push(rest.slice(0, MAX_LINE_LENGTH));
    for (const line of lines) {
      for (let at = 0; at < line.length; at += MAX_LINE_LENGTH) onLine(line.slice(at, at + MAX_LINE_LENGTH));
    }
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
  stream.on("error", () => {});
}
