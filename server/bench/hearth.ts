/** Starts the platform the way a user does, with a data folder of its own that is removed afterwards. */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reservePort } from "../src/fleet/launchers/command-process.ts";
import { end, ROOT, startNode, waitUntilUp } from "./processes.ts";

export interface Hearth {
  process: ChildProcess;
  port: number;
  apiKey: string;
  /** Ends the server and everything it started, and removes its data. */
  dispose(): Promise<void>;
}

/** A first start creates and migrates a database and loads the default model. */
const START_TIMEOUT_MS = 240_000;

export async function startHearth(options: {
  core: number | null;
  /** Default: what `npm start` runs. */
  script?: URL;
  env?: Record<string, string>;
  nodeArgs?: readonly string[];
}): Promise<Hearth> {
  const dataDir = await mkdtemp(join(tmpdir(), "hearth-bench-"));
  const port = await reservePort();
  const apiKey = `fw_bench${randomBytes(16).toString("hex")}`;
  const child = startNode(options.script ?? new URL("scripts/start.mjs", ROOT), [], {
    core: options.core,
    nodeArgs: [...flagsOfNpmStart(), ...(options.nodeArgs ?? [])],
    env: {
      HEARTH_PORT: String(port),
      HEARTH_DATA_DIR: dataDir,
      HEARTH_API_KEY: apiKey,
      // Limits are checked but never reached.
      HEARTH_REQUESTS_PER_MINUTE: "999999999",
      ...options.env,
    },
  });
  const dispose = async () => {
    await end(child);
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await waitUntilUp(child, `http://127.0.0.1:${port}/health`, START_TIMEOUT_MS);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { process: child, port, apiKey, dispose };
}

/** The flags that `npm start` passes to node. npm itself is not used, as its process would be measured too. */
function flagsOfNpmStart(): string[] {
  const { scripts } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  return (scripts.start as string).split(" ").filter((word) => word.startsWith("--"));
}
