import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ModelFileError } from "../errors.ts";
import { FileBytes } from "../file-bytes.ts";
import { type TensorToWrite, writeGguf } from "./file-writer.ts";
import { type GgufKeyValue, keyValue } from "./header-writer.ts";
import { type GgufHeader, readGguf } from "./reader.ts";

const signal = new AbortController().signal;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-gguf-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const floats = (name: string, shape: readonly number[]): TensorToWrite => ({
  name,
  shape,
  kind: "F32",
  data: () => [Buffer.alloc(4 * shape.reduce((product, length) => product * length, 1), 7)],
});

async function written(
  settings: readonly GgufKeyValue[],
  tensors: readonly TensorToWrite[],
): Promise<Buffer> {
  await writeGguf(join(folder, "a.gguf"), { metadata: settings, tensors }, { signal });
  return readFile(join(folder, "a.gguf"));
}

/** Reads the header. Returns the error's message when the file is refused. */
async function read(bytes: Buffer): Promise<GgufHeader | string> {
  await writeFile(join(folder, "a.gguf"), bytes);
  const file = await FileBytes.open(folder, "a.gguf");
  try {
    return await readGguf(file);
  } catch (error) {
    if (error instanceof ModelFileError) return error.message;
    throw error;
  } finally {
    await file.close();
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
function u64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value)]);
const file = (tensors: number | bigint, settings: number | bigint, ...rest: Buffer[]) =>
  Buffer.concat([Buffer.from("GGUF"), u32(3), u64(tensors), u64(settings), ...rest]);
const entry = (name: string, shape: (number | bigint)[], kind: number, offset: number | bigint) =>
  Buffer.concat([text(name), u32(shape.length), ...shape.map(u64), u32(kind), u64(offset)]);

describe("a written GGUF file", () => {
  test("reads back with the same metadata of all types and the same tensors", async () => {
    const bytes = await written(
      [
        keyValue.text("text", "grüße"),
        keyValue.uint("uint", 4_000_000_000),
        keyValue.float("float", 0.5),
        keyValue.boolean("boolean", true),
        keyValue.texts("texts", ["a", "", "ß"]),
        keyValue.floats("floats", [1, -2.5]),
        keyValue.ints("ints", [1, -2]),
      ],
      [floats("first", [3]), floats("second", [5, 2])],
    );
    const header = (await read(bytes)) as GgufHeader;
    expect(Object.fromEntries(header.metadata)).toEqual({
      text: "grüße",
      uint: 4_000_000_000,
      float: 0.5,
      boolean: true,
      texts: ["a", "", "ß"],
      floats: [1, -2.5],
      ints: [1, -2],
    });
    const tensors = [...header.tensors.values()];
    expect(tensors.map(({ name, shape, kind }) => ({ name, shape, kind }))).toEqual([
      { name: "first", shape: [3], kind: "F32" },
      { name: "second", shape: [5, 2], kind: "F32" },
    ]);
    for (const { offsetBytes, sizeBytes } of tensors) {
      expect(offsetBytes % 32).toBe(0);
      expect(bytes.subarray(offsetBytes, offsetBytes + sizeBytes)).toEqual(Buffer.alloc(sizeBytes, 7));
    }
  });

  test("appears only when it is complete, and a failed write keeps the previous file", async () => {
    await writeFile(join(folder, "a.gguf"), "before");
    const broken: TensorToWrite = {
      ...floats("x", [4]),
      *data() {
        yield Buffer.alloc(8);
        throw new Error("no more");
      },
    };
    await expect(written([], [floats("a", [4]), broken])).rejects.toThrow("no more");
    await expect(written([], [{ ...floats("x", [4]), data: () => [Buffer.alloc(12)] }])).rejects.toThrow(
      /another size/,
    );
    const aborted = AbortSignal.abort(new Error("stopped"));
    const path = join(folder, "a.gguf");
    await expect(
      writeGguf(path, { metadata: [], tensors: [floats("a", [4])] }, { signal: aborted }),
    ).rejects.toThrow("stopped");
    expect(await readdir(folder)).toEqual(["a.gguf"]);
    expect(await read(Buffer.from("before"))).toBe("a.gguf: is no GGUF file.");
  });
});

describe("a GGUF file is refused when", () => {
  test.each<[string, Buffer, RegExp]>([
    ["it has another magic number", Buffer.from("PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaa"), /is no GGUF file/],
    [
      "it is big-endian or of another version",
      Buffer.concat([Buffer.from("GGUF"), Buffer.from([0, 0, 0, 3])]),
      /version/,
    ],
    ["it ends early", file(0, 0).subarray(0, 20), /ends within its header/],
    ["it counts more tensors than any model has", file(2n ** 63n, 0), /count of tensors/],
    ["it counts more metadata pairs than any model has", file(0, 2 ** 40), /count of settings/],
    ["a text is longer than the file", file(0, 1, u64(2 ** 15), Buffer.alloc(100)), /ends within its header/],
    ["a text is longer than memory", file(0, 1, text("a"), u32(8), u64(2n ** 62n)), /a text/],
    ["a metadata value has an unknown type", file(0, 1, text("a"), u32(13), u64(0)), /unknown type/],
    ["a list has more items than the file", file(0, 1, text("a"), u32(9), u32(4), u64(1000)), /ends within/],
    ["a list has more items than memory", file(0, 1, text("a"), u32(9), u32(0), u64(2 ** 50)), /a list/],
    [
      "lists are nested too deeply",
      file(0, 1, text("a"), u32(9), ...Array.from({ length: 50 }, () => Buffer.concat([u32(9), u64(1)]))),
      /nested too deeply/,
    ],
    [
      "a metadata key occurs twice",
      file(0, 2, text("a"), u32(7), Buffer.of(1), text("a"), u32(7), Buffer.of(1)),
      /twice/,
    ],
    [
      "the alignment is invalid",
      file(0, 1, text("general.alignment"), u32(4), u32(0)),
      /invalid general.alignment/,
    ],
    [
      "a tensor ends beyond the file",
      file(1, 0, entry("t", [64], 0, 0), Buffer.alloc(64)),
      /"t" ends beyond the end/,
    ],
    [
      "a tensor starts beyond the file",
      file(1, 0, entry("t", [1], 0, 2n ** 52n), Buffer.alloc(64)),
      /ends beyond/,
    ],
    ["a tensor's offset is not exact in a double", file(1, 0, entry("t", [1], 0, 2n ** 63n)), /offset/],
    ["a tensor's offset is not aligned", file(1, 0, entry("t", [1], 0, 4), Buffer.alloc(64)), /not aligned/],
    [
      "a tensor's size overflows",
      file(1, 0, entry("t", [2 ** 31 - 1, 2 ** 31 - 1, 4, 1], 0, 0), Buffer.alloc(64)),
      /impossible shape/,
    ],
    ["a tensor's length is beyond 32 bits", file(1, 0, entry("t", [2n ** 63n], 0, 0)), /shape/],
    [
      "a tensor has too many dimensions",
      file(1, 0, entry("t", [1, 1, 1, 1, 1], 0, 0)),
      /too many dimensions/,
    ],
    [
      "a tensor's rows are not whole blocks",
      file(1, 0, entry("t", [33, 2], 8, 0), Buffer.alloc(99)),
      /impossible shape/,
    ],
    [
      "a tensor has a type that crashes llama.cpp",
      file(1, 0, entry("t", [1], 28, 0), Buffer.alloc(64)),
      /kind/,
    ],
    [
      "tensors overlap",
      file(2, 0, entry("t", [16], 0, 0), entry("u", [16], 0, 32), Buffer.alloc(200)),
      /"u" overlaps another/,
    ],
    [
      "two tensors have the same name",
      file(2, 0, entry("t", [8], 0, 0), entry("t", [8], 0, 32), Buffer.alloc(200)),
      /is there twice/,
    ],
  ])("%s", async (_, bytes, reason) => {
    const refused = await read(bytes);
    expect(refused).toMatch(reason);
    expect(refused).toMatch(/^a\.gguf: /);
  });

  test("truncation or corruption makes it unreadable, and no other kind of error occurs", async () => {
    const bytes = await written(
      [keyValue.text("general.architecture", "llama"), keyValue.texts("tokens", ["a", "b"])],
      [floats("first", [3]), floats("second", [5, 2])],
    );
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length), fc.array(change, { maxLength: 3 }), async (length, changes) => {
        const changed = Buffer.from(bytes);
        for (const [at, value] of changes) changed[at] = value;
        const result = await read(changed.subarray(0, length));
        if (typeof result === "string") return;
        for (const { offsetBytes, sizeBytes } of result.tensors.values()) {
          expect(offsetBytes + sizeBytes).toBeLessThanOrEqual(length);
        }
      }),
      { numRuns: 300 },
    );
  });
});
