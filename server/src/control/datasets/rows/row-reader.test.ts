import fc from "fast-check";
import { expect, test } from "vitest";
import { RowReader } from "./row-reader.ts";

async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  let from = 0;
  for (const size of [...sizes, bytes.length]) {
    yield bytes.subarray(from, from + size);
    from += size;
  }
}

test("the reader returns all rows of all files in order for any chunk sizes and read sizes", async () => {
  const row = fc.constantFrom("a", "bb", "größer", "", " \t");
  const file = fc.tuple(fc.array(fc.tuple(row, fc.constantFrom("\n", "\r\n"))), row, fc.array(fc.nat(5)));
  const readSizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 3 }), readSizes, async (files, counts) => {
      const texts = files.map(([lines, last]) => lines.flat().join("") + last);
      const reader = new RowReader(
        files.map(
          ([, , sizes], i) =>
            async () =>
              cut(texts[i]!, sizes),
        ),
        10,
      );
      const read: string[] = [];
      for (let i = 0; ; i++) {
        const max = counts[i % counts.length]!;
        const rows = await reader.read(max);
        expect(rows.length).toBeLessThanOrEqual(max);
        if (rows.length === 0) break;
        read.push(...rows.map(String));
      }
      const expected = texts.flatMap((text) => text.split(/\r?\n/)).filter((line) => line.trim() !== "");
      expect(read).toEqual(expected);
    }),
  );
});

test("closing the reader ends the stream that it reads", async () => {
  let ended = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.from("a\n");
    } finally {
      ended = true;
    }
  }
  const reader = new RowReader([async () => endless()], 10);
  await reader.read(1);
  await reader.close();
  expect(ended).toBe(true);
});
