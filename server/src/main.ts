import { startApp } from "./composition/app.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { createLog } from "./platform/telemetry/log.ts";

/** Time for running requests to finish after the first Ctrl-C. */
const GRACE_MS = 30_000;
/** npm and the terminal both forward one Ctrl-C. Signals within this time count as one. */
const SAME_SIGNAL_MS = 1_000;

async function main(): Promise<void> {
  const config = readConfig();
  const log = createLog(config.logLevel);
  const starting = new AbortController();
  const app = startApp(config, { log, signal: starting.signal, terminal: process.stdout });
  const ending = endOnSignal(() => {
    starting.abort(new Error("Stopped before the start was complete."));
    // A start that fails closes its parts itself.
    return app.then(
      (running) => running.close(GRACE_MS),
      () => {},
    );
  });
  const running = await app;
  process.stdout.write(banner(config, running));
  await ending;
}

/** Resolves when `close` is done after a signal. A second, later signal ends the process at once. */
function endOnSignal(close: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstMs: number | null = null;
    const onSignal = (): void => {
      const nowMs = performance.now();
      if (firstMs === null) {
        firstMs = nowMs;
        close().then(resolve, reject);
      } else if (nowMs - firstMs > SAME_SIGNAL_MS) process.exit(1);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);
  });
}

function banner(
  config: Config,
  app: { port: number; apiKey: string | null; keyFile: string; models: string[] },
): string {
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  const lines = [
    "Hearth is ready.",
    `  Base URL  http://${host}:${app.port}/inference/v1  (OpenAI clients)`,
    `            http://${host}:${app.port}  (Fireworks SDKs, LangChain for Python)`,
    `  Account   ${config.accountId}`,
    app.apiKey === null
      ? `  API key   in ${app.keyFile}`
      : `  API key   ${app.apiKey}  (kept in ${app.keyFile})`,
    ...app.models.map((model) => `  Model     ${model}`),
  ];
  return `${lines.join("\n")}\n`;
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    // The operator reads this: one line for an expected error, the stack for a bug.
    const expected = error instanceof ConfigError || (error instanceof Error && error.cause === undefined);
    console.error(expected ? (error as Error).message : error);
    process.exit(1);
  },
);
