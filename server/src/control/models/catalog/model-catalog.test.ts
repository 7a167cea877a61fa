import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AppError } from "../../../lib/errors.ts";
import { createModelCatalog, type ModelCatalogOptions } from "./model-catalog.ts";
import type { AttachedModel } from "./schema.ts";

const catalogDir = fileURLToPath(new URL("../../../../../catalog", import.meta.url));
const SERVED = "accounts/fireworks/models/smollm2-135m-instruct";
const LIBRARY = "accounts/fireworks/models/llama-v3p1-8b-instruct";

const attached: AttachedModel = {
  name: "accounts/acme/models/house-model",
  displayName: "House model",
  supportsChat: true,
  supportsImageInput: false,
  supportsTools: true,
};

function service(options: Partial<ModelCatalogOptions> = {}) {
  return createModelCatalog({ catalogDir, ...options });
}

function refusal(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return error as AppError;
  }
  throw new Error("nothing was refused");
}

describe("the catalog's resolve", () => {
  it.each([SERVED, "fireworks/smollm2-135m-instruct"])("resolves %s to the served model", (name) => {
    const { model, requestedName, fallbackUsed } = service().resolve(name);
    expect({ name: model.name, requestedName, fallbackUsed }).toEqual({
      name: SERVED,
      requestedName: name,
      fallbackUsed: false,
    });
  });

  it("resolves an alias only when it is spelled exactly", () => {
    const models = service({ aliases: { "gpt-4o": "fireworks/smollm2-135m-instruct" } });
    expect(models.resolve("gpt-4o").model.name).toBe(SERVED);
    expect(models.resolve("gpt-4o").fallbackUsed).toBe(false);
    expect(refusal(() => models.resolve("GPT-4o")).code).toBe("NOT_FOUND");
  });

  it("prefers an alias to a model of the same name", () => {
    expect(service({ aliases: { [LIBRARY]: SERVED } }).resolve(LIBRARY).model.name).toBe(SERVED);
  });

  it("refuses a library model that is not served, and says what the operator can do", () => {
    const error = refusal(() => service().resolve("fireworks/llama-v3p1-8b-instruct"));
    expect([error.code, error.param]).toEqual(["NOT_FOUND", "model"]);
    expect(error.message).toContain(LIBRARY);
    expect(error.message).toContain("HEARTH_FALLBACK_MODEL");
  });

  it("uses the fallback for library models, and never for unknown names", () => {
    const models = service({ fallbackModel: SERVED });
    const { model, requestedName, fallbackUsed } = models.resolve(LIBRARY);
    expect({ name: model.name, requestedName, fallbackUsed }).toEqual({
      name: SERVED,
      requestedName: LIBRARY,
      fallbackUsed: true,
    });
    expect(models.resolve(SERVED).fallbackUsed).toBe(false);
    expect(refusal(() => models.resolve("accounts/fireworks/models/no-such-model")).code).toBe("NOT_FOUND");
    expect(refusal(() => models.resolve("gpt-4o")).code).toBe("NOT_FOUND");
  });

  it("uses an attached model or a model of a user's as the fallback", () => {
    const attachedModels = [attached];
    for (const fallbackModel of [attached.name, "accounts/acme/models/own"]) {
      const models = service({ fallbackModel, attachedModels });
      expect(models.resolve(LIBRARY)).toMatchObject({ model: { name: fallbackModel }, fallbackUsed: true });
    }
  });

  it("uses the fallback for an alias of a library model", () => {
    const models = service({ fallbackModel: SERVED, aliases: { big: LIBRARY } });
    expect(models.resolve("big")).toMatchObject({ model: { name: SERVED }, fallbackUsed: true });
  });

  it("resolves an attached model instead of a library model of the same name", () => {
    const models = service({ attachedModels: [attached, { ...attached, name: LIBRARY }] });
    expect(models.resolve("acme/house-model").model).toBe(attached);
    expect(models.resolve(LIBRARY)).toMatchObject({
      fallbackUsed: false,
      model: { displayName: "House model" },
    });
  });

  it.each([
    "",
    "smollm2-135m-instruct",
    `${SERVED}\n`,
    `${SERVED}\0`,
    `${SERVED}/`,
    SERVED.toUpperCase(),
    "__proto__",
    "constructor",
  ])("refuses the unknown name %j", (name) => {
    expect(refusal(() => service({ fallbackModel: SERVED }).resolve(name)).code).toBe("NOT_FOUND");
  });

  it("keeps the message for an unknown name short, well-formed and without control characters", () => {
    const models = service();
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.boolean(), (text, halve) => {
        const { message, param } = refusal(() => models.resolve(halve ? `\ud800${text}\u202e` : text));
        expect(param).toBe("model");
        expect(message.length).toBeLessThan(130);
        expect(message).not.toMatch(/\p{C}/u);
      }),
    );
  });
});

describe("the model list", () => {
  it("contains the callable models in the contract's shape", () => {
    expect(service({ attachedModels: [attached] }).list()).toEqual([
      {
        id: attached.name,
        object: "model",
        created: 0,
        owned_by: "acme",
        supports_chat: true,
        supports_image_input: false,
        supports_tools: true,
        context_length: null,
      },
      {
        id: SERVED,
        object: "model",
        created: 1730332800,
        owned_by: "fireworks",
        kind: "HF_BASE_MODEL",
        supports_chat: true,
        supports_image_input: false,
        supports_tools: true,
        context_length: 8192,
      },
    ]);
  });

  it("returns a model by any of its names, and never the fallback", () => {
    const models = service({ fallbackModel: SERVED, aliases: { small: SERVED } });
    expect(models.get("small").id).toBe(SERVED);
    expect(refusal(() => models.get(LIBRARY)).code).toBe("NOT_FOUND");
    expect(refusal(() => models.get("nope")).code).toBe("NOT_FOUND");
  });

  it("counts a model as serverless unless an attached engine serves it", () => {
    expect(
      service()
        .serverless()
        .map((model) => model.name),
    ).toEqual([SERVED]);
    expect(service({ attachedModels: [{ ...attached, name: SERVED }] }).serverless()).toEqual([]);
  });
});

describe("createModelCatalog refuses", () => {
  it.each<[string, Partial<ModelCatalogOptions>, RegExp]>([
    [
      "an alias of an unknown model",
      { aliases: { "gpt-4o": "fireworks/nope" } },
      /^HEARTH_MODEL_ALIASES: gpt-4o .*fireworks\/nope/,
    ],
    ["an alias of an alias", { aliases: { a: SERVED, b: "a" } }, /^HEARTH_MODEL_ALIASES: b /],
    [
      "an unknown fallback",
      { fallbackModel: "fireworks/nope" },
      /^HEARTH_FALLBACK_MODEL: fireworks\/nope is not a model/,
    ],
    [
      "a fallback that isn't served",
      { fallbackModel: LIBRARY },
      /^HEARTH_FALLBACK_MODEL: .* is not served here/,
    ],
    [
      "an attached model without a full name",
      { attachedModels: [{ ...attached, name: "acme/x" }] },
      /acme\/x is not named/,
    ],
  ])("%s", (_what, options, message) => {
    expect(() => service(options)).toThrow(message);
  });
});

describe("loadCatalog", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "hearth-catalog-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const flags = { supportsChat: true, supportsImageInput: false, supportsTools: false };
  const good = { name: "accounts/a/models/b", displayName: "B", ...flags, serverless: false };
  const weights = { file: "b.gguf", sha256: "0".repeat(64), sizeBytes: 1, sources: ["file:b.gguf"] };
  const served = { ...good, serverless: true, engine: "llama-cpp", weights };

  function messageOf(content: unknown): string {
    writeFileSync(join(dir, "x.json"), typeof content === "string" ? content : JSON.stringify(content));
    try {
      createModelCatalog({ catalogDir: dir });
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  }

  it.each<[string, unknown, RegExp]>([
    ["a file that is not JSON", "{\n nope", /^catalog\/x\.json: is not valid JSON/],
    ["a file without models", {}, /x\.json: models /],
    ["an unknown field", { models: [{ ...good, colour: "red" }] }, /x\.json: models\[0\]\.colour /],
    [
      "a missing field",
      { models: [good, { ...good, displayName: undefined }] },
      /x\.json: models\[1\]\.displayName /,
    ],
    ["a wrong type", { models: [{ ...good, contextLength: "8k" }] }, /x\.json: models\[0\]\.contextLength /],
    ["an unknown kind", { models: [{ ...good, kind: "GPT" }] }, /x\.json: models\[0\]\.kind /],
    ["a short name", { models: [{ ...good, name: "a/b" }] }, /x\.json: models\[0\]\.name must be/],
    ["the same model twice", { models: [good, good] }, /x\.json: models\[1\]\.name is already in x\.json/],
    [
      "an impossible date",
      { models: [{ ...good, createTime: "2024-19-39T00:00:00Z" }] },
      /models\[0\]\.createTime/,
    ],
    [
      "a serverless model without weights",
      { models: [{ ...served, weights: undefined }] },
      /models\[0\]\.weights is needed/,
    ],
    [
      "a bad checksum",
      { models: [{ ...served, weights: { ...weights, sha256: "zz" } }] },
      /models\[0\]\.weights\.sha256 /,
    ],
    [
      "a file name with a path",
      { models: [{ ...served, weights: { ...weights, file: "../b" } }] },
      /models\[0\]\.weights\.file /,
    ],
    [
      "a bad source",
      { models: [{ ...served, weights: { ...weights, sources: ["ftp:x"] } }] },
      /models\[0\]\.weights\.sources\[0\] /,
    ],
  ])("names the file and the field in one line when it refuses %s", (_what, content, message) => {
    const line = messageOf(content);
    expect(line).toMatch(message);
    expect(line).not.toContain("\n");
  });

  it("reads a valid catalog, also one that is split over several files", () => {
    mkdirSync(join(dir, "more"));
    writeFileSync(
      join(dir, "y.json"),
      JSON.stringify({ models: [{ ...good, name: "accounts/a/models/c" }] }),
    );
    expect(messageOf({ models: [served] })).toBe("");
    expect(createModelCatalog({ catalogDir: dir }).resolve("a/b").model.name).toBe("accounts/a/models/b");
  });

  it("names a folder that does not exist", () => {
    expect(() => createModelCatalog({ catalogDir: join(dir, "nope") })).toThrow(/can't be read/);
  });
});
