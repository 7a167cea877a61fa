import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseSegment, Segment } from "./segment.ts";

let folder: string;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hearth-segment-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = fc
  .string({ unit: "binary", minLength: 1, maxLength: 40 })
  .map((text) => `c${text.replaceAll("\n", "")}`);
const frames = fc.array(fc.array(line, { minLength: 1, maxLength: 5 }), { maxLength: 6 });

/** Writes one frame for each batch. @returns the file, and the offset at which each frame ends. */
async function write(batches: readonly string[][]): Promise<{ bytes: Buffer; ends: number[] }> {
  const segment = new Segment(join(folder, String(files++)));
  const ends: number[] = [];
  for (const batch of batches) {
    segment.append(`${batch.join("\n")}\n`);
    ends.push(segment.sizeBytes);
  }
  await segment.sync();
  await segment.close();
  return { bytes: readFileSync(segment.path), ends };
}

test("parsing a segment returns exactly the appended lines, in order", async () => {
  await fc.assert(
    fc.asyncProperty(frames, async (batches) => {
      const { bytes } = await write(batches);
      expect(parseSegment(bytes)).toEqual({ lines: batches.flat(), tornBytes: 0 });
    }),
  );
});

test("parsing a truncated segment returns exactly the lines of the whole frames", async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.nat(), async (batches, where) => {
      const { bytes, ends } = await write(batches);
      const cut = where % (bytes.length + 1);
      const whole = ends.filter((end) => end <= cut);
      expect(parseSegment(bytes.subarray(0, cut))).toEqual({
        lines: batches.slice(0, whole.length).flat(),
        tornBytes: cut - (whole.at(-1) ?? 0),
      });
    }),
  );
});

test("parsing a segment with a changed byte returns only lines of frames before it", async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.nat(), fc.integer({ min: 1, max: 255 }), async (batches, where, change) => {
      const { bytes, ends } = await write(batches);
      fc.pre(bytes.length > 0);
      const at = where % bytes.length;
      bytes[at] = bytes[at]! ^ change;
      const before = ends.filter((end) => end <= at).length;
      expect(parseSegment(bytes).lines).toEqual(batches.slice(0, before).flat());
    }),
  );
});

test("a closed segment refuses writes, so that they can't reach another file with the same descriptor", async () => {
  const segment = new Segment(join(folder, String(files++)));
  await segment.close();
  expect(() => segment.append("cx\n")).toThrow(/closed/);
});
