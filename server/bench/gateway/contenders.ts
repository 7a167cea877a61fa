/** The compared gateways: how each is started, its port, and the path and headers of a chat request to it. */
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { reservePort } from "../../src/fleet/launchers/command-process.ts";
import { startHearth } from "../hearth.ts";
import { nextMessage, startNode, waitUntilUp } from "../processes.ts";
import { MODEL } from "./traffic.ts";

export interface Contender {
  name: string;
  /** Null for the upstream, which has no process to measure. */
  process: ChildProcess | null;
  port: number;
  path: string;
  headers: Record<string, string>;
  dispose(): Promise<void>;
}

/** All gateways run on this core; load generator and upstream run on the other. */
export const GATEWAY_CORE = 0;
export const LOAD_CORE = 1;

const START_TIMEOUT_MS = 240_000;
const CHAT_PATH = "/v1/chat/completions";
const nothing = async () => {};

export function direct(upstreamPort: number): Contender {
  return {
    name: "direct",
    process: null,
    port: upstreamPort,
    path: CHAT_PATH,
    headers: {},
    dispose: nothing,
  };
}

/** Starts a script of this folder, which gets the upstream's port as an argument and sends its own port as a message. */
export async function ownProxy(name: string, script: string, upstreamPort: number): Promise<Contender> {
  const child = startNode(new URL(script, import.meta.url), [String(upstreamPort)], { core: GATEWAY_CORE });
  const { port } = await nextMessage<{ port: number }>(child, START_TIMEOUT_MS);
  return { name, process: child, port, path: CHAT_PATH, headers: {}, dispose: nothing };
}

export async function portkey(upstreamPort: number): Promise<Contender> {
  const require = createRequire(import.meta.url);
  const folders = require.resolve.paths("@portkey-ai/gateway") ?? [];
  const script = join("@portkey-ai", "gateway", "build", "start-server.js");
  const folder = folders.find((path) => existsSync(join(path, script)));
  if (folder === undefined) throw new Error("@portkey-ai/gateway is not installed");
  const port = await reservePort();
  const child = startNode(join(folder, script), [`--port=${port}`, "--headless"], { core: GATEWAY_CORE });
  await waitUntilUp(child, `http://127.0.0.1:${port}/`, START_TIMEOUT_MS);
  return {
    name: "portkey 1.15.2",
    process: child,
    port,
    path: CHAT_PATH,
    headers: {
      authorization: "Bearer sk-bench",
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `http://127.0.0.1:${upstreamPort}/v1`,
    },
    dispose: nothing,
  };
}

/** The platform as a user starts it: keys, limits, metering, spend checks and its own PostgreSQL. */
export function hearth(upstreamPort: number): Promise<Contender> {
  return startPlatform("hearth", upstreamPort);
}

/** The same without limits, metering and spend checks. */
export function unmeteredHearth(upstreamPort: number): Promise<Contender> {
  return startPlatform("hearth unmetered", upstreamPort, new URL("./unmetered.ts", import.meta.url));
}

async function startPlatform(name: string, upstreamPort: number, script?: URL): Promise<Contender> {
  const server = await startHearth({
    core: GATEWAY_CORE,
    ...(script === undefined ? {} : { script }),
    env: {
      HEARTH_ATTACHED_ENGINES: `${MODEL}=http://127.0.0.1:${upstreamPort}/v1`,
      HEARTH_BILLING: "on",
    },
  });
  const headers = { authorization: `Bearer ${server.apiKey}` };
  // Spending is checked against a limit that the benchmark never reaches.
  const terms = await fetch(`http://127.0.0.1:${server.port}/v1/accounts/local/billing`, {
    method: "PATCH",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ tier: "TIER_4" }),
  });
  if (!terms.ok) throw new Error(`the spending limit can't be set: ${await terms.text()}`);
  return {
    name,
    process: server.process,
    port: server.port,
    headers,
    dispose: server.dispose,
    path: "/inference/v1/chat/completions",
  };
}
