import type { Engine } from "./engine.ts";

/**
 * How an engine in a child process is started: the adapter describes it and a launcher carries it out. The launcher
 * runs `entry` with one message channel; `connect` completes the handshake and returns the engine.
 */
export interface ProcessEngineKind<Options> {
  /** Module run in the child process. */
  entry: URL;
  /** Large JavaScript packages to import before the TypeScript loader, which makes every later import slow. */
  preload?: readonly URL[];
  /** Environment added to the child's. */
  env: Readonly<Record<string, string>>;
  /** Sends the options and waits until the model is loaded. @throws EngineError with a public message when loading fails. */
  connect(channel: EngineChannel, options: Options): Promise<Engine>;
}

/** One duplex message channel to a child process. Messages are plain structured-clone data. */
export interface EngineChannel {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when the process is gone or the channel closed. */
  onClose(listener: (reason: string) => void): void;
}
