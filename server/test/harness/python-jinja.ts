import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readConfig } from "../../src/config.ts";

const JINJA = "3.1.6";

/**
 * A Python that has Jinja2: the machine's own, else one of a virtual environment that is kept in the weights' cache.
 * Null: there is no Python, or pip can't install Jinja2.
 */
export function findPythonWithJinja(): string | null {
  const folder = join(readConfig().cacheDir, `jinja2-${JINJA}`);
  const kept = join(folder, "bin", "python3");
  if (hasJinja("python3")) return "python3";
  if (existsSync(kept) && hasJinja(kept)) return kept;
  try {
    execFileSync("python3", ["-m", "venv", folder], { stdio: "ignore" });
    execFileSync(kept, ["-m", "pip", "install", "--quiet", `Jinja2==${JINJA}`], { stdio: "ignore" });
    return kept;
  } catch {
    return null;
  }
}

function hasJinja(python: string): boolean {
  try {
    execFileSync(python, ["-c", `import jinja2; assert jinja2.__version__ == "${JINJA}"`], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}
