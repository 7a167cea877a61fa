import { createHash } from "node:crypto";
import type { EngineModelInfo } from "../../engine/engine.ts";

const fingerprints = new WeakMap<EngineModelInfo, string>();

/** A name for what a model runs with. It stays the same until its context, template or special tokens change. */
export function systemFingerprint(model: EngineModelInfo): string {
  const known = fingerprints.get(model);
  if (known !== undefined) return known;
  const { contextLength, chatTemplate, bosToken, eosToken } = model;
  const digest = createHash("sha256").update(
    JSON.stringify([contextLength, chatTemplate, bosToken, eosToken]),
  );
  const fingerprint = `fp_${digest.digest("hex").slice(0, 10)}`;
  fingerprints.set(model, fingerprint);
  return fingerprint;
}
