import { configDefaults, defineConfig } from "vitest/config";

const INTEGRATION = "**/*.integration.test.ts";
const END_TO_END = "**/*.e2e.test.ts";
const NOT_UNIT = [...configDefaults.exclude, INTEGRATION, END_TO_END];
/** A unit test that asks for the database or the model fails, whatever other projects have started. */
const NO_REAL_PARTS = {
  HEARTH_TEST_DATABASE_URL: "",
  HEARTH_TEST_TEMPLATE_DATABASE: "",
  HEARTH_TEST_MODEL: "",
};
const SECOND_MS = 1_000;

/** A file's name says which project its tests belong to, that is, what they need. */
export default defineConfig({
  test: {
    pool: "forks",
    // Two workers: more files at once only make real engines and databases slower than the limits of the code under test.
    maxWorkers: 2,
    // Limits only end a test that hangs: a slow machine under load must stay far below them.
    testTimeout: 300 * SECOND_MS,
    hookTimeout: 300 * SECOND_MS,
    teardownTimeout: 60 * SECOND_MS,
    expect: { poll: { timeout: 120 * SECOND_MS } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["server/**/*.test.ts"],
          exclude: NOT_UNIT,
          env: NO_REAL_PARTS,
          // Files share a process and its loaded modules: no unit test changes anything outside its own objects.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: "unit-packages",
          include: ["packages/**/*.test.ts"],
          exclude: NOT_UNIT,
          env: NO_REAL_PARTS,
          // Importing the SDK's entry for Node changes its core, which a test of the core without Node must not see.
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: [`server/${INTEGRATION}`, `packages/${INTEGRATION}`],
          globalSetup: ["server/test/harness/global-setup.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "end-to-end",
          include: [`server/${END_TO_END}`, `packages/${END_TO_END}`],
          globalSetup: ["server/test/harness/global-setup.ts", "server/test/harness/shared-platform.ts"],
        },
      },
    ],
  },
});
