/**
 * Writes `src/generated` from the contract. Run: `npx tsx packages/sdk/scripts/generate.ts`.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type Contract,
  callTypes,
  methodName,
  type Operation,
  operationsOf,
  tableRow,
} from "./contract-operations.ts";
import { docOf, typesOf } from "./contract-types.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = "packages/sdk/src/generated";
const HEADER = "// Generated from contract/*.openapi.json by scripts/generate.ts. Don't edit.\n";

/** The contents of the generated files by their paths from the repository's root. */
export function generate(): Record<string, string> {
  const control = readContract("control-plane");
  const platform = readContract("platform");
  const inference = readContract("inference");
  // The platform's own operations use schemas of the control plane too.
  platform.components = {
    ...control.components,
    schemas: { ...control.components.schemas, ...platform.components.schemas },
  };
  const operations = [control, platform, inference].flatMap((contract) =>
    operationsOf(contract).map((operation) => ({ operation, contract })),
  );
  const types = `${HEADER}
${typesOf({ ...platform.components.schemas, ...inference.components.schemas })}`;
  const table = `${HEADER}
import type * as types from "./types.ts";

type WithRequired<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
type Item<List, Key extends keyof List> = NonNullable<List[Key]> extends readonly (infer One)[] ? One : never;

/** Path, parameters and retry safety of each operation. */
export const OPERATIONS = {
${operations.map(({ operation, contract }) => tableRow(operation, contract)).join("\n")}
} as const;

/** Parameter and result types of each operation. */
export interface OperationTypes {
${operations.map(({ operation, contract }) => callTypes(operation, contract)).join("\n")}
}
`;
  return {
    [`${folder}/types.ts`]: formatted(types, "types.ts"),
    [`${folder}/operations.ts`]: formatted(table, "operations.ts"),
    [`${folder}/resources.ts`]: formatted(
      resources([control, platform].flatMap(operationsOf)),
      "resources.ts",
    ),
  };
}

function resources(operations: readonly Operation[]): string {
  const byTag = groupByTag(operations);
  const groups = [...byTag].map(([tag, members]) => {
    const rows = members.map(
      (one) =>
        `${docOf(one.summary, `· \`${one.method} ${one.path}\``)}${methodName(one)}: ${JSON.stringify(one.id)},`,
    );
    return `${tag}: {\n${rows.join("\n")}\n},`;
  });
  return `${HEADER}
/** Maps the client's resources and methods to operations. */
export const RESOURCES = {
${groups.join("\n")}
} as const;
`;
}

function groupByTag(operations: readonly Operation[]): Map<string, Operation[]> {
  const groups = new Map<string, Operation[]>();
  for (const operation of operations)
    groups.set(operation.tag, [...(groups.get(operation.tag) ?? []), operation]);
  return groups;
}

function readContract(name: string): Contract {
  return JSON.parse(readFileSync(`${root}contract/${name}.openapi.json`, "utf8")) as Contract;
}

function formatted(text: string, name: string): string {
  const biome = spawnSync("node_modules/.bin/biome", ["format", `--stdin-file-path=${folder}/${name}`], {
    cwd: root,
    input: text,
    encoding: "utf8",
    maxBuffer: 64 * 1024 ** 2,
  });
  if (biome.status !== 0) throw new Error(biome.stderr);
  return biome.stdout;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(generate())) writeFileSync(root + path, text);
}
