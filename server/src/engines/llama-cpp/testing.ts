/** For tests and benchmarks only: a replica of the real engine in a child process, without a launcher. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { GenerateRequest } from "../../engine/generation.ts";
import type { EngineChannel } from "../../engine/process.ts";
import { type LlamaCppEngine, type LlamaCppOptions, llamaCppKind } from "./kind.ts";

export interface TestReplica {
  engine: LlamaCppEngine;
  child: ChildProcess;
  /** Closes the engine and waits until the process has ended. */
  dispose(): Promise<void>;
}

/** @throws EngineError as `connect` does; the process has ended then. */
export async function launchReplica(options: LlamaCppOptions): Promise<TestReplica> {
  const child = fork(llamaCppKind.entry, [], {
    execArgv: [...llamaCppKind.preload.map(String), "tsx"].flatMap((module) => ["--import", module]),
    env: { ...process.env, ...llamaCppKind.env },
    serialization: "advanced",
  });
  const exited = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await exited;
  };
  try {
    const engine = await llamaCppKind.connect(channelOf(child), options);
    return {
      engine,
      child,
      async dispose() {
        await engine.close();
        await kill();
      },
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

function channelOf(child: ChildProcess): EngineChannel {
  return {
    send: (message) => void child.send(message as object, () => {}),
    onMessage: (listener) => void child.on("message", listener),
    onClose: (listener) => void child.once("exit", (code, signal) => listener(`exit ${signal ?? code}`)),
  };
}

/** A greedy streamed request for one choice. */
export function textRequest(text: string, overrides: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    id: "test",
    input: { kind: "text", text, addBos: true },
    sampling: { temperature: 0 },
    n: 1,
    maxTokens: 16,
    stop: [],
    stream: true,
    ...overrides,
  };
}
