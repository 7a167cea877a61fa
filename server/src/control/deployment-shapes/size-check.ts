import { badRequest } from "../../lib/errors.ts";

/** The type of accelerators when only their number is given. */
const DEFAULT_TYPE = "NVIDIA_A100_80GB";
const UNSPECIFIED_TYPE = "ACCELERATOR_TYPE_UNSPECIFIED";
const BYTES_PER_GB = 1e9;

/**
 * Checks that the weights fit into the memory of the accelerators, which the type's name gives. Accepts everything when the
 * number of accelerators or of parameters is unknown.
 * @param parameterCount decimal digits; 0 when unknown.
 * @throws AppError BAD_REQUEST naming acceleratorCount.
 */
export function checkDeploymentSize(wanted: {
  parameterCount: string;
  precision?: string | undefined;
  acceleratorType?: string | undefined;
  acceleratorCount?: number | undefined;
}): void {
  const { acceleratorCount = 0, acceleratorType = UNSPECIFIED_TYPE } = wanted;
  if (acceleratorCount === 0) return;
  const type = acceleratorType === UNSPECIFIED_TYPE ? DEFAULT_TYPE : acceleratorType;
  const memoryBytes = Number(/_(\d+)GB$/.exec(type)?.[1]) * BYTES_PER_GB;
  const weightBytes = (Number(wanted.parameterCount) * bitsPerWeight(wanted.precision)) / 8;
  const needed = Math.ceil(weightBytes / memoryBytes);
  if (needed <= acceleratorCount) return;
  throw badRequest(
    "acceleratorCount",
    `The model's weights need at least ${needed} of ${type}: raise acceleratorCount, ` +
      "lower precision, or set disableDeploymentSizeValidation.",
  );
}

function bitsPerWeight(precision = ""): number {
  if (precision.startsWith("FP4") || precision === "NF4") return 4;
  return precision.startsWith("FP8") ? 8 : 16;
}
