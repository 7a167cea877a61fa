import { readFileSync } from "node:fs";
import type { UnbuiltOperation } from "../platform/http/server.ts";

const CONTRACTS = ["inference", "control-plane"].map(
  (name) => new URL(`../../../contract/${name}.openapi.json`, import.meta.url),
);
/** Operations whose clients send the key without a scheme, or as a query parameter. */
const BARE_KEY = /\/(?:audio|batch_job)\//;

interface ContractPaths {
  paths: Record<string, Record<string, { operationId: string; "x-aliases"?: string[] }>>;
}

interface Pattern extends UnbuiltOperation {
  method: string;
  path: RegExp;
}

/**
 * The operations of the compatible API by method and path. It is asked only about requests that no route serves, so
 * whatever it finds is not built yet.
 */
export function findContractOperation(): (method: string, path: string) => UnbuiltOperation | null {
  const patterns = CONTRACTS.flatMap(patternsOf);
  return (method, path) =>
    patterns.find((one) => one.method === (method === "HEAD" ? "GET" : method) && one.path.test(path)) ??
    null;
}

function patternsOf(file: URL): Pattern[] {
  const { paths } = JSON.parse(readFileSync(file, "utf8")) as ContractPaths;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { operationId, "x-aliases": aliases = [] }]) =>
      [path, ...aliases]
        // A path that is nothing but a parameter stands for any path.
        .filter((one) => !one.startsWith("/{"))
        .map((one) => ({
          operationId,
          method: method.toUpperCase(),
          path: patternOf(one),
          acceptsBareKey: BARE_KEY.test(one),
        })),
    ),
  );
}

/** `/v1/accounts/{account_id}/jobs/{job_id}:cancel` as a pattern of paths. */
function patternOf(path: string): RegExp {
  const segments = path.split(/\{\w+\}/).map((text) => text.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${segments.join("[^/:]+")}$`);
}
