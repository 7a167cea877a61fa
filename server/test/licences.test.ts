import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

interface LockEntry {
  version?: string;
  license?: string;
  dev?: boolean;
  link?: boolean;
}
const packages = Object.entries(
  JSON.parse(read("package-lock.json")).packages as Record<string, LockEntry>,
).filter(([path, entry]) => path.startsWith("node_modules/") && entry.link !== true);

/** Licences that let Hearth ship what runs in production under Apache-2.0. */
const ALLOWED = /^\(?(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|BlueOak-1\.0\.0|Unlicense|0BSD)\b/;

describe("licences", () => {
  test("are permissive for all production dependencies", () => {
    const production = packages.filter(([, entry]) => entry.dev !== true);
    expect(production.length).toBeGreaterThan(50);
    expect(
      production.filter(([, { license }]) => !ALLOWED.test(license ?? "none")).map(([path]) => path),
    ).toEqual([]);
  });

  test("are listed in docs/licences.md for all direct dependencies", () => {
    const list = read("docs/licences.md");
    const direct = ["server", "packages/sdk", "packages/cli"].flatMap((folder) => {
      const manifest = JSON.parse(read(`${folder}/package.json`));
      const { dependencies, optionalDependencies, devDependencies } = manifest;
      return Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
    });
    const foreign = direct.filter((name) => !name.startsWith("@hearth/"));
    const missing = foreign.filter((name) => {
      const entry = packages.find(([path]) => path === `node_modules/${name}`)?.[1];
      return !list.includes(`| \`${name}\` | ${entry?.license ?? "not stated"} |`);
    });
    expect(missing).toEqual([]);
  });

  test("are stated for all catalog models with weights", () => {
    const files = readdirSync(fileURLToPath(new URL("../../catalog", import.meta.url))).filter((f) =>
      f.endsWith(".json"),
    );
    const models = files.flatMap(
      (file) => JSON.parse(read(`catalog/${file}`)).models as { weights?: unknown; license?: string }[],
    );
    const withWeights = models.filter((model) => model.weights !== undefined);
    expect(withWeights.length).toBeGreaterThan(0);
    expect(withWeights.filter((model) => model.license === undefined)).toEqual([]);
  });
});
