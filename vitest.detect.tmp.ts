import { defineConfig } from "vitest/config";
export default defineConfig({ test: {
  include: ["server/src/**/*.test.ts", "packages/**/*.test.ts", "server/test/*.test.ts", "server/test/harness/possibly*.test.ts"],
  exclude: ["server/test/readme*", "server/test/tidy*", "packages/*/test/platform.test.ts", "**/llama-cpp.test.ts","**/features.test.ts","**/lora/loras.test.ts","**/speculation.test.ts"],
  globalSetup: ["server/test/harness/global-setup.ts"], setupFiles: ["/tmp/detect-setup.ts"], pool: "forks", maxWorkers: 2, testTimeout: 60000, hookTimeout: 120000 } });
