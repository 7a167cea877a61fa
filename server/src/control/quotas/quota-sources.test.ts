import { describe, expect, it } from "vitest";
import { MEASURED_QUOTA_IDS } from "./quota-ids.ts";
import { QuotaSources } from "./quota-sources.ts";

describe("the sources of quotas", () => {
  it("are complete once every measured quota and the accelerators have one", () => {
    const sources = new QuotaSources();
    for (const id of MEASURED_QUOTA_IDS) sources.register(id, { usageOf: async () => 1 });
    sources.registerAccelerators(async () => new Map());
    expect(() => sources.assertComplete()).not.toThrow();
  });

  it("stop the start with the names of the quotas that have none", () => {
    const sources = new QuotaSources();
    for (const id of MEASURED_QUOTA_IDS) if (id !== "models") sources.register(id, {});
    expect(() => sources.assertComplete()).toThrow(
      "No source is registered for these quotas: models, accelerators.",
    );
  });

  it("are registered once for each quota", () => {
    const sources = new QuotaSources();
    sources.register("loras", {});
    expect(() => sources.register("loras", {})).toThrow("The quota loras has a source already.");
    sources.registerAccelerators(async () => new Map());
    expect(() => sources.registerAccelerators(async () => new Map())).toThrow("have a source already");
  });
});
