import { expect, test } from "vitest";
import type { Principal } from "../../control/api-keys/service.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { RequestRecord, type RequestRecordDeps } from "./record.ts";

const principal: Principal = { accountId: "a", keyId: "k", userId: "u", role: "admin", isOperator: false };

function recorded(labels: Record<string, string> | null) {
  const lines: object[] = [];
  const log = (line: object) => lines.push(line);
  const deps = {
    clock: new FakeClock(),
    log: { info: log, error: log },
    metrics: { observe() {} },
    ledger: { open() {}, close() {} },
  } as unknown as RequestRecordDeps;
  const record = new RequestRecord(deps, { id: "id", principal }, { name: "chat", kind: "text" });
  record.labels = labels;
  return { record, lines };
}

test("a labelled request leaves a log line with its labels, status and tokens", () => {
  const { record, lines } = recorded({ trace: "b7" });
  record.setRoute({ model: "m", deployment: "m" });
  record.setTokens({ promptTokens: 3, cachedTokens: 0, completionTokens: 2 });
  record.finish("ok", 200, null, () => {});
  const outcome = { model: "m", status: 200, promptTokens: 3, completionTokens: 2 };
  expect(lines).toEqual([expect.objectContaining({ requestId: "id", labels: { trace: "b7" }, ...outcome })]);
});

test("a failure's log line has the labels, and a successful request without labels leaves none", () => {
  const failed = recorded({ trace: "b7" });
  failed.record.finish("error", 500, new AppError("INTERNAL", "x"), () => {});
  expect(failed.lines[0]).toMatchObject({ code: "INTERNAL", labels: { trace: "b7" } });
  const plain = recorded(null);
  plain.record.finish("ok", 200, null, () => {});
  expect(plain.lines).toEqual([]);
});
