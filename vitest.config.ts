import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["server/**/*.test.ts", "packages/**/*.test.ts"],
    globalSetup: ["server/test/harness/global-setup.ts"],
    pool: "forks",
    // Two cores: more files at once only makes real engines and databases slower than their time-outs.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
  },
});
