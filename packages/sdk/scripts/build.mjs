/** Builds the package that is published: `npm run build`, then `npm publish ./dist`. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const folder = fileURLToPath(new URL("..", import.meta.url));
const dist = process.argv[2] ?? join(folder, "dist");
const [esm, cjs] = [join(dist, "esm"), join(dist, "cjs")];

rmSync(dist, { recursive: true, force: true });
const tsc = join(folder, "../../node_modules/.bin/tsc");
const { status } = spawnSync(tsc, ["-p", join(folder, "tsconfig.build.json"), "--outDir", esm], {
  stdio: "inherit",
});
if (status !== 0) process.exit(1);

// One file for each source in both, so that all entries share their classes.
const files = readdirSync(esm, { recursive: true, encoding: "utf8" });
const scripts = files.filter((file) => file.endsWith(".js")).map((file) => join(esm, file));
buildSync({ entryPoints: scripts, outdir: cjs, outbase: esm, format: "cjs", target: "node20" });
for (const file of files.filter((one) => one.endsWith(".d.ts"))) {
  const text = readFileSync(join(esm, file), "utf8").replaceAll(
    /(from|import\() ?"(\.[^"]+)\.ts"/g,
    '$1 "$2.js"',
  );
  for (const target of [esm, cjs]) writeFileSync(join(target, file), text);
}
writeFileSync(join(cjs, "package.json"), '{ "type": "commonjs" }\n');

const source = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const entry = (path) => ({
  import: { types: `./esm/${path}.d.ts`, default: `./esm/${path}.js` },
  require: { types: `./cjs/${path}.d.ts`, default: `./cjs/${path}.js` },
});
const { name, version, description, license, type, engines } = source;
const published = {
  ...{ name, version, description, license, type, engines },
  exports: { ".": entry("index"), "./node": entry("node/index"), "./package.json": "./package.json" },
  sideEffects: ["./esm/node/*.js", "./cjs/node/*.js"],
  files: ["esm", "cjs"],
};
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
cpSync(join(folder, "../../LICENSE"), join(dist, "LICENSE"));
cpSync(join(folder, "../../docs/sdk.md"), join(dist, "README.md"));
