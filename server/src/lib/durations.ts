import { badRequest } from "./errors.ts";

/** Longest duration of protobuf's JSON mapping: about 10,000 years. */
const MAX_DURATION_S = 315_576_000_000;
const DURATION = /^(\d{1,12})(\.\d{1,9})?s$/;

/**
 * Parses a duration in protobuf's JSON format: `600s`, `0.25s`.
 * @param param field name for error messages. @returns milliseconds, rounded.
 * @throws AppError BAD_REQUEST.
 */
export function parseDuration(text: string, param = "duration"): number {
  const [, whole, fraction = ""] = DURATION.exec(text) ?? [];
  if (whole === undefined || Number(whole) > MAX_DURATION_S) {
    throw badRequest(param, `${param} must be a duration in seconds such as 600s or 0.5s.`);
  }
  return Number(whole) * 1000 + Math.round(Number(`0${fraction}`) * 1000);
}

/** @param ms at least 0; rounded to whole milliseconds. */
export function formatDuration(ms: number): string {
  const wholeMs = Math.round(ms);
  const fraction = String(wholeMs % 1000)
    .padStart(3, "0")
    .replace(/0+$/, "");
  return `${Math.floor(wholeMs / 1000)}${fraction === "" ? "" : "."}${fraction}s`;
}
