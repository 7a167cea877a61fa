import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { getLlama, Llama, LlamaLogLevel } from "node-llama-cpp";

/**
 * The library's inner function that opens a binary. Its public one first tries the binary in a process of its own, in
 * case it crashes; a replica is such a process itself, and would wait for another for half a second at every start.
 */
interface InnerLlama {
  _create?(options: {
    bindings: unknown;
    bindingPath: string;
    buildType: "prebuilt";
    buildMetadata: unknown;
    logLevel: LlamaLogLevel;
    logger: typeof Llama.defaultConsoleLogger;
    vramPadding: 0;
    ramPadding: (totalBytes: number) => number;
    maxThreads: number;
    debug: false;
    tempDir: false;
  }): Promise<Llama>;
}

const MOST_PADDING_BYTES = 1024 ** 3;

/** Opens llama.cpp in this process. @throws Error where no binary fits the machine. */
export async function openLlamaCpp(maxThreads: number): Promise<Llama> {
  // The library's processes need nothing of what this one was started with, and would load it all.
  process.execArgv = [];
  try {
    return await openWithoutTrialProcess(maxThreads);
  } catch {
    const fixed = { gpu: false, build: "never", skipDownload: true } as const;
    return getLlama({ ...fixed, maxThreads, logLevel: LlamaLogLevel.error });
  }
}

/** @throws Error where the library is not laid out as expected: then its public function knows better. */
async function openWithoutTrialProcess(maxThreads: number): Promise<Llama> {
  const platform = `linux-${process.arch}`;
  const library = createRequire(import.meta.url).resolve("node-llama-cpp");
  const root = join(library, "../..");
  if (existsSync(join(root, "llama/localBuilds"))) throw new Error("somebody built a binary of their own");
  const require = createRequire(library);
  const binaries = await import(pathToFileURL(require.resolve(`@node-llama-cpp/${platform}`)).href);
  const { binsDir, packageVersion } = binaries.getBinsDir();
  const { version } = await readJson(join(root, "package.json"));
  if (packageVersion !== version) throw new Error("the binary is of another version");
  const folder = join(binsDir, platform);
  const bindingPath = join(folder, "llama-addon.node");
  return (Llama as unknown as Required<InnerLlama>)._create({
    bindings: require(bindingPath),
    bindingPath,
    buildType: "prebuilt",
    buildMetadata: await readJson(join(folder, "_nlcBuildMetadata.json")),
    logLevel: LlamaLogLevel.error,
    logger: Llama.defaultConsoleLogger,
    vramPadding: 0,
    ramPadding: (totalBytes) => Math.floor(Math.min(totalBytes / 4, MOST_PADDING_BYTES)),
    maxThreads,
    debug: false,
    tempDir: false,
  });
}

async function readJson(path: string) {
  return JSON.parse(await readFile(path, "utf8"));
}
