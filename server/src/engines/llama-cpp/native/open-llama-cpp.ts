import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { getLlama, Llama, LlamaLogLevel } from "node-llama-cpp";

/**
 * The library's inner function that opens a binary. The public one first tries the binary in a child process, in case it
 * crashes. A replica is a child process already, so the trial would only add half a second to every start.
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

/** The library's own limit of the memory it leaves to the rest of the machine. */
const MAX_PADDING_BYTES = 1024 ** 3;

/** Opens llama.cpp in this process. @throws Error when no binary runs on this machine. */
export async function openLlamaCpp(maxThreads: number): Promise<Llama> {
  // Child processes of the library would inherit this process's `--import` modules and load them all.
  process.execArgv = [];
  try {
    return await openWithoutTrialProcess(maxThreads);
  } catch {
    return getLlama({
      gpu: false,
      build: "never",
      skipDownload: true,
      maxThreads,
      logLevel: LlamaLogLevel.error,
    });
  }
}

/** @throws Error where the library's files are not laid out as expected; its public function may still open a binary. */
async function openWithoutTrialProcess(maxThreads: number): Promise<Llama> {
  const platform = `linux-${process.arch}`;
  const library = createRequire(import.meta.url).resolve("node-llama-cpp");
  const root = join(library, "../..");
  if (existsSync(join(root, "llama/localBuilds"))) throw new Error("there is a locally built binary");
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
    ramPadding: (totalBytes) => Math.floor(Math.min(totalBytes / 4, MAX_PADDING_BYTES)),
    maxThreads,
    debug: false,
    tempDir: false,
  });
}

async function readJson(path: string) {
  return JSON.parse(await readFile(path, "utf8"));
}
