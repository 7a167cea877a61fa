// Makes dist/firectl.mjs: one file with everything in it but Node.
import { randomBytes } from "node:crypto";
import { copyFile, rename, rm } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = new URL("../", import.meta.url);

export async function build() {
  const { build: bundle } = await import("esbuild");
  const program = fileURLToPath(new URL("dist/firectl.mjs", root));
  // Others may be running the old one, or building as well.
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
