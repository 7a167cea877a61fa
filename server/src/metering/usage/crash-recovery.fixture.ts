/**
 * Serves simulated requests as fast as it can until it is killed. Notes in a file, with synchronous writes that survive
 * the kill, each request that it begins (`b id`), announces as a stream (`a id`) and acknowledges (`c id`). Prints a
 * dot for each acknowledgement, so that the parent can choose when to kill it.
 */
import { openSync, writeSync } from "node:fs";
import { systemClock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { openDatabase } from "../../platform/db/database.ts";
import { createUsageLedger } from "./service.ts";

const [url = "", folder = "", notesFile = ""] = process.argv.slice(2);
const notes = openSync(notesFile, "a");
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error };
const database = await openDatabase({ url, log });
const ledger = createUsageLedger({ database, clock: systemClock, log, folder });

/** The prompt tokens derive from the identifier, so that the parent can detect a wrong row. */
function begin(): { id: string; completionTokens: number } & Parameters<typeof ledger.open>[0] {
  const id = uuidv7Hex(systemClock.now());
  writeSync(notes, `b ${id}\n`);
  return {
    id,
    accountId: "acme",
    keyId: "key1",
    userId: "user1",
    endpoint: "chat.completions",
    model: "accounts/fireworks/models/tiny",
    deployment: "",
    kind: "text",
    pricedAs: "",
    quantity: 0,
    replica: null,
    promptTokens: Number.parseInt(id.slice(-4), 16),
    cachedTokens: 0,
    completionTokens: 0,
    timeToFirstTokenMs: null,
    startedAtMs: systemClock.now(),
  };
}

function end(request: ReturnType<typeof begin>): void {
  ledger.close(request, { outcome: "ok", status: 200, durationMs: 1 }, () => {
    writeSync(notes, `c ${request.id}\n`);
    process.stdout.write(".");
  });
}

const streams: ReturnType<typeof begin>[] = [];
function serve(): void {
  for (let i = 0; i < 8; i++) {
    const request = begin();
    ledger.open(request);
    if (i > 0) {
      end(request);
      continue;
    }
    ledger.ensureOpened(request, () => writeSync(notes, `a ${request.id}\n`));
    streams.push(request);
  }
  for (const stream of streams) stream.completionTokens++;
  if (streams.length > 50) end(streams.shift()!);
  setTimeout(serve, 1);
}
serve();
