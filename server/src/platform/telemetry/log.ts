import { type Logger, pino } from "pino";

export type Log = Logger;
export type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

/** JSON lines on stderr. Never log a prompt, an output or a key: the platform keeps no data of requests. */
export function createLog(level: LogLevel): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
