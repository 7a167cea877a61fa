import { resolve, sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AppError } from "../../../lib/errors.ts";
import { checkKey } from "../../../platform/blobs/blobs.ts";
import { filePrefix, ignoredBecause, storedFiles } from "./declared-files.ts";

test("a stored file name stays in the model's folder, is a valid key, and is not a pickle or archive", () => {
  const part = fc.oneof(
    fc.constantFrom("..", ".", "", "a", "config.json", "C:", "\\", "\0", "~", "a.bin", "%2e%2e", "-"),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.stringMatching(/^[A-Za-z0-9._+=@-]{1,12}$/),
  );
  const owner = { accountId: "a".repeat(63), uid: "u".repeat(16) };
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 6 }),
      fc.constantFrom("/", "\\", ""),
      (parts, join) => {
        const name = parts.join(join);
        try {
          if (ignoredBecause(name) === null) storedFiles("f", { [name]: 1 });
          else return;
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect((error as AppError).param).toBe("f");
          return;
        }
        expect(resolve("/top", name).startsWith(`/top${sep}`)).toBe(true);
        expect(name).not.toMatch(/\.(bin|zip)$/i);
        checkKey(filePrefix(owner) + name);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("files that trainers write beside a model are left out, and the model's own files stay", () => {
  const own = [
    "config.json",
    "model-00001-of-00002.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "tokenizer.model",
    "trainer_state.json",
    "README.md",
    ".gitattributes",
    "weights.gguf",
    "1_Pooling/config.json",
  ];
  const others = [
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state_0.pth",
    "pytorch_model.bin",
    "original/consolidated.00.pth",
    "original/params.json",
    "runs/Mar01_12-00-00_host/events.out.tfevents.1709290000.host.1.0",
    "checkpoint-500/model.safetensors",
    "global_step12/latest",
    "wandb/run-1/config.yaml",
    "tf_model.h5",
    "flax_model.msgpack",
    "onnx/model.onnx",
    "code.zip",
    "README (1).md",
    "notes ü.txt",
    `${"x".repeat(200)}.txt`,
    "a/b/c/d/e",
  ];
  const all = Object.fromEntries([...own, ...others].map((name) => [name, 1]));
  expect(Object.keys(storedFiles("f", all)).sort()).toEqual(own.sort());
});
