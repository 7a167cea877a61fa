import { badRequest } from "../../../lib/errors.ts";
import type { Precision } from "../schema.ts";

/** GGUF tensor types that weights are converted to. */
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

/** Precisions that an upload in the Hugging Face format has from the start. */
export const INITIAL_PRECISIONS: readonly Precision[] = ["FP16"];
/** Precisions that an upload in the Hugging Face format can be converted to. */
export const CONVERTIBLE_PRECISIONS: readonly Precision[] = ["FP16", "FP8"];

/** Precision by the tensor type of a GGUF file. Other tensor types have no name among the precisions. */
export const GGUF_PRECISIONS: Readonly<Record<string, readonly Precision[]>> = {
  F16: ["FP16"],
  BF16: ["BF16"],
  Q8_0: ["FP8"],
};

/**
 * The tensor type that weights of a precision are stored in: 16-bit floats, or Q8_0 (blocks of 32 8-bit numbers with
 * one scale) for each of the 8-bit recipes.
 * @throws AppError BAD_REQUEST naming `precision`.
 */
export function weightType(precision: Precision): WeightType {
  if (precision === "FP16" || precision === "BF16" || precision === "PRECISION_UNSPECIFIED") return "F16";
  if (EIGHT_BITS.has(precision)) return "Q8_0";
  throw badRequest("precision", `precision: models are prepared for FP16 or FP8 here, not for ${precision}.`);
}
