/**
 * Closes 3,000 requests, 100 in each turn of the event loop, and exits with 0 once all are acknowledged. The parent
 * limits the file size.
 */
import { systemClock } from "../../lib/clock.ts";
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
const database = await openDatabase({ url, log });
const ledger = createUsageLedger({ database, clock: systemClock, log, folder });
const requests = Array.from({ length: 3_000 }, (_, i) => ({
  id: uuidv7Hex(systemClock.now()),
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
  startedAtMs: systemClock.now(),
}));
for (const request of requests) ledger.open(request);
const acknowledgements: Promise<void>[] = [];
for (const [i, request] of requests.entries()) {
  const end = { outcome: "ok", status: 200, durationMs: 1 } as const;
  acknowledgements.push(new Promise((resolve) => ledger.close(request, end, resolve)));
  if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
}
// The ledger's timers don't keep the process alive.
const keepAlive = setInterval(() => {}, 1_000);
await Promise.all(acknowledgements);
clearInterval(keepAlive);
await ledger.shutDown();
await database.close();
