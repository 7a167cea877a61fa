import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { type TinyLoraOptions, writeTinyLora, writeTinyModel } from "../../src/model-files/testing.ts";
import { type Json, send, type Target } from "./http.ts";

/** Sends a request that must answer 200; resolves with the response's body. */
export async function succeed(target: Target, method: string, path: string, body?: unknown): Promise<Json> {
  const response = await send(target, path, { method, body });
  expect(response.status, `${method} ${path}: ${response.text}`).toBe(200);
  return response.json;
}

/** Uploads a base model of a few layers with random weights through the public API; resolves with its full name. */
export function uploadTinyModel(target: Target, accountId: string, id: string, seed = 1): Promise<string> {
  const model = { kind: "HF_BASE_MODEL", supportsLora: true };
  return upload(target, accountId, id, model, (folder) => writeTinyModel(folder, { seed }));
}

/** Uploads a LoRA addon with random weights for such a model, or for one of another `shape`; resolves with its full name. */
export function uploadTinyAddon(
  target: Target,
  accountId: string,
  id: string,
  baseModel: string,
  options: TinyLoraOptions = {},
): Promise<string> {
  const rank = options.rank ?? 8;
  const model = {
    kind: "HF_PEFT_ADDON",
    peftDetails: { baseModel, r: rank, targetModules: ["q_proj", "v_proj"] },
  };
  return upload(target, accountId, id, model, (folder) => writeTinyLora(folder, { ...options, rank }));
}

async function upload(
  target: Target,
  accountId: string,
  id: string,
  model: object,
  write: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-upload-"));
  try {
    await write(folder);
    const models = `/v1/accounts/${accountId}/models`;
    await succeed(target, "POST", models, { modelId: id, model });
    const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
    const filenameToSize = Object.fromEntries([...files].map(([name, { length }]) => [name, String(length)]));
    const urls = await succeed(target, "POST", `${models}/${id}:getUploadEndpoint`, { filenameToSize });
    for (const [name, url] of Object.entries<string>(urls.filenameToSignedUrls)) {
      expect((await fetch(url, { method: "PUT", body: files.get(name) as never })).status).toBe(200);
    }
    await succeed(target, "GET", `${models}/${id}:validateUpload`);
    return `accounts/${accountId}/models/${id}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
