import { expect, test } from "vitest";
import { checkDeploymentSize } from "./size-check.ts";

function fits(
  wanted: Omit<Parameters<typeof checkDeploymentSize>[0], "parameterCount">,
  parameterCount: string,
) {
  try {
    checkDeploymentSize({ ...wanted, parameterCount });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "BAD_REQUEST", param: "acceleratorCount" });
    return false;
  }
}

test("16-bit weights take two bytes a parameter, 8- and 4-bit ones half and a quarter of that", () => {
  const oneA100 = { acceleratorType: "NVIDIA_A100_80GB", acceleratorCount: 1 };
  expect(fits(oneA100, "40000000000")).toBe(true);
  expect(fits(oneA100, "40000000001")).toBe(false);
  expect(fits({ ...oneA100, precision: "BF16" }, "40000000001")).toBe(false);
  expect(fits({ ...oneA100, precision: "FP8_MM" }, "80000000000")).toBe(true);
  expect(fits({ ...oneA100, precision: "FP8_MM" }, "80000000001")).toBe(false);
  expect(fits({ ...oneA100, precision: "FP4_MX_MOE" }, "160000000000")).toBe(true);
  expect(fits({ ...oneA100, precision: "NF4" }, "160000000001")).toBe(false);
});

test("accelerators add up, and without a type they are A100 with 80 GB", () => {
  expect(fits({ acceleratorType: "NVIDIA_L4_24GB", acceleratorCount: 4 }, "48000000000")).toBe(true);
  expect(fits({ acceleratorType: "NVIDIA_L4_24GB", acceleratorCount: 3 }, "48000000000")).toBe(false);
  expect(fits({ acceleratorCount: 2 }, "80000000000")).toBe(true);
  expect(fits({ acceleratorCount: 2, acceleratorType: "ACCELERATOR_TYPE_UNSPECIFIED" }, "80000000001")).toBe(
    false,
  );
});

test("the size is not checked without a number of accelerators or of parameters", () => {
  expect(fits({ acceleratorType: "NVIDIA_L4_24GB" }, "48000000000")).toBe(true);
  expect(fits({ acceleratorCount: 0 }, "48000000000")).toBe(true);
  expect(fits({ acceleratorCount: 1 }, "0")).toBe(true);
});
