import { type Logger, pino } from "pino";

export type Log = Logger;
/** The part of the log that most code needs; easy to replace in tests. */
export type BasicLog = Pick<Log, "debug" | "info" | "warn" | "error">;
export type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

/** Writes JSON lines to stderr. Never log a prompt, an output or a key: the platform keeps no data of requests. */
export function createLog(level: LogLevel): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
