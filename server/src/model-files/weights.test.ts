import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ModelFileError } from "./errors.ts";
import { safetensors, safetensorsFile, writeJson } from "./testing.ts";
import { openWeights } from "./weights.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-weights-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const FILE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** Returns the names of the tensors, or the error's message when the folder is refused. */
async function open(): Promise<string[] | string> {
  try {
    const weights = await openWeights(folder);
    await weights.close();
    return [...weights.tensors.keys()];
  } catch (error) {
    if (error instanceof ModelFileError) return error.message;
    throw error;
  }
}

async function openHeader(header: unknown, dataBytes = 16): Promise<string[] | string> {
  await writeFile(join(folder, FILE), safetensorsFile(header, Buffer.alloc(dataBytes)));
  return open();
}

const tensor = (
  start: number,
  end: number,
  shape: unknown = [(end - start) / 4],
  dtype: unknown = "F32",
) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});
const tinyTensor = (name: string) => ({ name, shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) });

describe("a safetensors file", () => {
  test("returns its tensors, including empty ones and scalars", async () => {
    expect(
      await openHeader({
        a: tensor(0, 8),
        b: tensor(8, 12, []),
        c: tensor(12, 12, [0, 5]),
        d: tensor(12, 16),
      }),
    ).toEqual(["a", "b", "c", "d"]);
  });

  test.each<[string, unknown, RegExp]>([
    ["ends beyond the file", { a: tensor(0, 20) }, /tensor "a" ends beyond the end of the file/],
    ["starts before its data", { a: tensor(-4, 12, [4]) }, /invalid data_offsets/],
    ["has its end before its start", { a: tensor(16, 0, [4]) }, /don't agree/],
    ["has fractional offsets", { a: tensor(0.5, 16.5, [4]) }, /invalid data_offsets/],
    [
      "has offsets that are not exact in a double",
      { a: tensor(2 ** 60, 2 ** 60 + 16, [4]) },
      /invalid data_offsets/,
    ],
    ["has one offset", { a: { ...tensor(0, 16), data_offsets: [0] } }, /invalid data_offsets/],
    ["has a shape that overflows", { a: tensor(0, 16, [2 ** 31 - 1, 2 ** 31 - 1, 4]) }, /impossible shape/],
    [
      "has a shape whose product wraps around to zero",
      { a: tensor(0, 0, [2 ** 32, 2 ** 32]) },
      /impossible shape/,
    ],
    ["has a negative length", { a: tensor(0, 16, [-2, -2]) }, /impossible shape/],
    ["has too many dimensions", { a: tensor(0, 4, Array(9).fill(1)) }, /too many dimensions/],
    ["is smaller than its shape", { a: tensor(0, 16, [5]) }, /don't agree/],
    ["overlaps another", { a: tensor(0, 12), b: tensor(8, 16) }, /tensor "b" overlaps another/],
    ["has the same offsets as another", { a: tensor(0, 16), b: tensor(0, 16) }, /overlaps/],
    ["leaves a gap", { a: tensor(0, 4), b: tensor(8, 16) }, /gap before the tensor "b"/],
    ["leaves bytes after the last tensor", { a: tensor(0, 12) }, /longer than its header says/],
    ["is of an unknown type", { a: tensor(0, 16, [4], "F33") }, /unknown type/],
    [
      "has a type that is named like a property of all objects",
      { a: tensor(0, 16, [4], "constructor") },
      /unknown type/,
    ],
    ["has an integer type", { a: tensor(0, 16, [4], "I32") }, /type I32; weights must be/],
    ["is not described by an object", { a: 5 }, /a must be an object/],
    [
      "is twice in the header",
      '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{}}',
      /key "a" twice/,
    ],
    ["is in a header that is not JSON", '{"a":', /not valid JSON/],
  ])("whose tensor %s is refused", async (_, header, reason) => {
    const refused = await openHeader(header);
    expect(refused).toMatch(reason);
    expect(refused).toMatch(/^model\.safetensors: /);
  });

  test("with a header larger than the file or the limit is refused", async () => {
    const bytes = safetensors([tinyTensor("a")], "F32");
    bytes.writeBigUInt64LE(BigInt(bytes.length), 0);
    await writeFile(join(folder, FILE), bytes);
    expect(await open()).toMatch(/shorter than its header says/);
    bytes.writeBigUInt64LE(2n ** 63n, 0);
    await writeFile(join(folder, FILE), bytes);
    expect(await open()).toMatch(/header larger than 64 MiB/);
    await writeFile(join(folder, FILE), "abc");
    expect(await open()).toMatch(/shorter/);
  });

  test("that is truncated or corrupted is read or refused, and no other kind of error occurs", async () => {
    const bytes = safetensors([tinyTensor("a"), tinyTensor("b")], "F32");
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length),
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 3 }),
        async (length, changes) => {
          const changed = Buffer.from(bytes);
          for (const [at, value] of changes) changed[at] = value;
          await writeFile(join(folder, FILE), changed.subarray(0, length));
          expect(await open()).toBeDefined();
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the weights of a folder", () => {
  const shards = async (map: Record<string, unknown>, ...files: [string, Buffer][]) => {
    await writeJson(folder, INDEX, { weight_map: map });
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
    return open();
  };
  const [a, b] = [safetensors([tinyTensor("a")], "F32"), safetensors([tinyTensor("b")], "BF16")];

  test("can be in several files", async () => {
    expect(
      await shards({ a: "1.safetensors", b: "2.safetensors" }, ["1.safetensors", a], ["2.safetensors", b]),
    ).toEqual(["a", "b"]);
  });

  test("must be in the files that the index names", async () => {
    expect(await shards({ a: "1.safetensors", c: "1.safetensors" }, ["1.safetensors", a])).toMatch(
      /"c" is in "1.safetensors", but it is not/,
    );
    expect(await shards({ a: "gone.safetensors" })).toBe("gone.safetensors: is missing.");
  });

  test("must not be in two files", async () => {
    const twice = { a: "1.safetensors", b: "2.safetensors" };
    const both = safetensors([tinyTensor("b"), tinyTensor("a")], "F32");
    expect(await shards(twice, ["1.safetensors", a], ["2.safetensors", both])).toMatch(/in another file too/);
  });

  test("are never read from outside the folder", async () => {
    for (const name of [
      "../x.safetensors",
      "/etc/x.safetensors",
      "a\\x.safetensors",
      "x\0.safetensors",
      "..",
    ]) {
      expect(await shards({ a: name })).toMatch(/is not a plain file name/);
    }
    await writeFile(join(folder, "real"), a);
    await symlink(join(folder, "real"), join(folder, "link.safetensors"));
    expect(await shards({ a: "link.safetensors" })).toBe("link.safetensors: is a symbolic link.");
    expect(await shards({ a: "pickle.bin" })).toMatch(/is no safetensors file/);
    expect(await shards({})).toMatch(/must name 1 to 1000 files/);
  });

  test("are refused when they are pickles, with the reason", async () => {
    for (const name of ["pytorch_model.bin", "model.pt", "x.ckpt", "consolidated.00.pth"]) {
      await writeFile(join(folder, name), "");
      expect(await open()).toMatch(/^\S+: is a pickle: loading it could run any program hidden in it\./);
      await rm(join(folder, name));
    }
    expect(await open()).toMatch(/^model\.safetensors: is missing: weights are read from safetensors/);
  });
});
