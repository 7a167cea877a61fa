// npm test: the same set-up as npm start, then linter, types and tests. Arguments go to the test runner.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureInstalled, rootDir } from "./setup.mjs";

ensureInstalled({ dev: true });
const folder = mkdtempSync(join(tmpdir(), "hearth-npm-test-"));
const report = join(folder, "report.json");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];

// A Ctrl-C reaches the children too: wait until they have stopped what they started.
process.on("SIGINT", () => {});

// Side by side: tests wait for processes and databases often enough to leave time for the type check.
const [check, tests] = await Promise.all([
  run("npm", ["run", "check"], { keepOutput: true }),
  run("npx", ["vitest", "run", ...reporters, ...process.argv.slice(2)], { keepOutput: false }),
]);
const counts = countTests(report);
rmSync(folder, { recursive: true, force: true });

if (check.code !== 0) console.log(`\n${check.output}`);
const failed = [
  ...(check.code === 0 ? [] : ["linter or types (npm run check, output above)"]),
  ...(tests.code === 0 ? [] : [counts === null ? "the test runner itself" : "tests"]),
];
console.log(failed.length === 0 ? "\nEverything passed." : `\nFailed: ${failed.join(", ")}.`);
// A runner that ended without a report counts as a failed test: "0 failed" would look like success.
const { passed, failed: failures, skipped } = counts ?? { passed: 0, failed: 1, skipped: 0 };
console.log(`${passed} passed, ${failures} failed, ${skipped} skipped`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Resolves when the program has ended; kept output would otherwise be lost among the tests' lines. */
function run(command, args, { keepOutput }) {
  const stdio = keepOutput ? ["ignore", "pipe", "pipe"] : "inherit";
  const child = spawn(command, args, { cwd: rootDir, stdio });
  let output = "";
  child.stdout?.on("data", (text) => {
    output += text;
  });
  child.stderr?.on("data", (text) => {
    output += text;
  });
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: 1, output: String(error) }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Null when the runner ended before it could report. A file that could not be loaded counts as a failed test. */
function countTests(path) {
  let results;
  try {
    results = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
  const brokenFiles = results.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + brokenFiles.length,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}
