import { badRequest } from "../../../lib/errors.ts";
import type { Precision } from "../schema.ts";

/** How weights are stored in the engine's form. */
export type WeightType = "F16" | "Q8_0";

const EIGHT_BITS: ReadonlySet<Precision> = new Set<Precision>([
  "FP8",
  "FP8_MM",
  "FP8_AR",
  "FP8_MM_KV_ATTN",
  "FP8_KV",
  "FP8_MM_V2",
  "FP8_V2",
  "FP8_MM_KV_ATTN_V2",
]);

/** What uploads in Hugging Face's form can be had in without being prepared, and in all. */
export const INITIAL_PRECISIONS: readonly Precision[] = ["FP16"];
export const CONVERTIBLE_PRECISIONS: readonly Precision[] = ["FP16", "FP8"];

/** The names of what GGUF files hold; other kinds of quantization have none. */
export const GGUF_PRECISIONS: Readonly<Record<string, readonly Precision[]>> = {
  F16: ["FP16"],
  BF16: ["BF16"],
  Q8_0: ["FP8"],
};

/**
 * How weights of a precision are stored: 16 bits as floats, 8 bits in blocks of 32 with a scale each, whichever of the
 * 8-bit recipes is asked for.
 * @throws AppError BAD_REQUEST naming precision.
 */
export function weightType(precision: Precision): WeightType {
  if (precision === "FP16" || precision === "BF16" || precision === "PRECISION_UNSPECIFIED") return "F16";
  if (EIGHT_BITS.has(precision)) return "Q8_0";
  throw badRequest("precision", `precision: models are prepared for FP16 or FP8 here, not for ${precision}.`);
}
