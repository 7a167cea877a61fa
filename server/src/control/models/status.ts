import type { AppError, ErrorCode } from "../../lib/errors.ts";
import type { ModelRow } from "./store.ts";

type ModelStatus = Pick<ModelRow, "statusCode" | "statusMessage">;

export const STATUS_OK: ModelStatus = { statusCode: "OK", statusMessage: "" };

const GRPC_CODES: Partial<Record<ErrorCode, string>> = {
  BAD_REQUEST: "INVALID_ARGUMENT",
  NOT_FOUND: "NOT_FOUND",
  FAILED_PRECONDITION: "FAILED_PRECONDITION",
  ABORTED: "ABORTED",
  PAYLOAD_TOO_LARGE: "INVALID_ARGUMENT",
  UNAVAILABLE: "UNAVAILABLE",
};

/** The status that a model shows after an operation on it failed. */
export function failureStatus({ code, message }: AppError): ModelStatus {
  return { statusCode: GRPC_CODES[code] ?? "INTERNAL", statusMessage: message };
}
