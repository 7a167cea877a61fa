// Bundles firectl and its dependencies into one file, dist/firectl.mjs.
import { randomBytes } from "node:crypto";
import { copyFile, rename, rm } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = new URL("../", import.meta.url);

export async function build() {
  const { build: bundle } = await import("esbuild");
  const program = fileURLToPath(new URL("dist/firectl.mjs", root));
  // Build beside it and rename: other processes may be running or building the same file.
  const partial = `${program}.${randomBytes(6).toString("hex")}`;
  try {
    await bundle({
      entryPoints: [fileURLToPath(new URL("src/entry.ts", root))],
      outfile: partial,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      minify: true,
      legalComments: "none",
      logLevel: "error",
    });
    await copyFile(new URL("../../LICENSE", root), new URL("dist/LICENSE", root));
    await rename(partial, program);
  } finally {
    await rm(partial, { force: true });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await build();
