import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  digest,
  REFERENCE_SCRIPT,
  type Rendering,
  renderCases,
  storedDigests,
  TEMPLATE_NAMES,
} from "../../src/lib/jinja/corpus-fixture.ts";
import { findPythonWithJinja } from "../harness/python-jinja.ts";

const python = findPythonWithJinja();

// Without Python the unit tests compare the same corpus with the stored digests of Python's renderings.
describe.skipIf(python === null)("Python's Jinja2, set up as transformers does", () => {
  test("renders the whole corpus as the platform does, and as it is stored", () => {
    const printed = execFileSync(python as string, [REFERENCE_SCRIPT], {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    const expected = JSON.parse(printed) as Record<string, Rendering[]>;
    expect(Object.keys(expected).sort()).toEqual([...TEMPLATE_NAMES].sort());
    // Both fail, with messages of their own.
    const comparable = (rendering: Rendering) => ("failed" in rendering ? "failed" : rendering);
    for (const name of TEMPLATE_NAMES) {
      expect(renderCases(name).map(comparable), name).toEqual(expected[name]!.map(comparable));
      expect(storedDigests(name), name).toEqual(expected[name]!.map(digest));
    }
  }, 300_000);
});
