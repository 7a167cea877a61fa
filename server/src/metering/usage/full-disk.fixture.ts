/**
 * Closes 3,000 requests, 100 in each turn of the event loop, and exits with 0 once all are acknowledged. The parent limits
 * the file size. Prints `failing` for each write that fails.
 */
import { FakeClock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { openDatabase } from "../../platform/db/database.ts";
import { createUsageLedger } from "./service.ts";

const [url = "", folder = ""] = process.argv.slice(2);
const log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => process.stdout.write("failing\n"),
};
// Checkpoints come only when the clock is advanced. On a slow machine they would begin new segments before any reached
// the limit.
const clock = new FakeClock();
const database = await openDatabase({ url, log });
const ledger = createUsageLedger({ database, clock, log, folder });
const acknowledgements: Promise<void>[] = [];
for (let i = 0; i < 3_000; i++) {
  // After a failure the next checkpoint repeats the write.
  while (!ledger.stats().accepting) clock.advance(100);
  const request = {
    id: uuidv7Hex(clock.now()),
    accountId: "acme",
    keyId: "key1",
    userId: "user1",
    endpoint: "chat.completions",
    model: "accounts/fireworks/models/tiny",
    deployment: "",
    kind: "text" as const,
    pricedAs: "",
    quantity: 0,
    replica: null,
    promptTokens: i,
    cachedTokens: 0,
    completionTokens: 0,
    timeToFirstTokenMs: null,
    startedAtMs: clock.now(),
  };
  ledger.open(request);
  const end = { outcome: "ok", status: 200, durationMs: 1 } as const;
  acknowledgements.push(new Promise((resolve) => ledger.close(request, end, resolve)));
  if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
}
clock.advance(100);
await Promise.all(acknowledgements);
await ledger.shutDown();
await database.close();
