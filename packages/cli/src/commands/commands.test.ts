import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Flag } from "../args/flags.ts";
import { checkArgs, parseLine } from "../args/parse.ts";
import { firectl, words } from "../testing.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import type { ResourceCommand } from "./resource.ts";
import {
  ACCELERATOR_TYPES,
  BILLING_TIERS,
  DIRECT_ROUTE_TYPES,
  PAYMENT_TERMS,
  PRECISIONS,
  REGIONS,
  USAGE_GROUPINGS,
} from "./resources/values.ts";
import { COMMANDS } from "./table.ts";

interface Schema {
  $ref?: string;
  type?: string;
  enum?: string[];
  properties?: Record<string, Schema>;
  allOf?: Schema[];
  additionalProperties?: unknown;
}

function schemasOf(name: string): Record<string, Schema> {
  const path = new URL(`../../../../contract/${name}.openapi.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")).components.schemas;
}

const schemas = { ...schemasOf("control-plane"), ...schemasOf("platform") };

const commandName = ({ words: all }: (typeof COMMANDS)[number]): string =>
  all.map(([word]) => word).join(" ");

/** The schema of a field at a path; undefined when there is none. */
function fieldAt(schema: Schema | undefined, path: string): Schema | undefined {
  return path
    .split(".")
    .reduce<Schema | undefined>((inner, key) => resolved(inner)?.properties?.[key], schema);
}

function resolved(schema: Schema | undefined): Schema | undefined {
  return schema?.$ref === undefined ? schema : schemas[schema.$ref.split("/").at(-1) as string];
}

const SCHEMA_OF: Record<string, string> = {
  models: "Model",
  datasets: "Dataset",
  deployments: "Deployment",
  deployedModels: "DeployedModel",
  supervisedFineTuningJobs: "SupervisedFineTuningJob",
  reinforcementFineTuningJobs: "ReinforcementFineTuningJob",
  users: "User",
  apiKeys: "ApiKey",
  quotas: "Quota",
  reservations: "Reservation",
  accounts: "Account",
  deploymentShapes: "DeploymentShape",
  invoices: "Invoice",
  transactions: "Transaction",
  payments: "Transaction",
  credits: "Transaction",
  adjustments: "Transaction",
  auditLogs: "AuditLog",
  billing: "BillingTerms",
};
/** Query parameters. */
const PARAMETERS = [
  "deploymentId",
  "disableSpeculativeDecoding",
  "showDeleted",
  "userId",
  "supervisedFineTuningJobId",
  "reinforcementFineTuningJobId",
  "replicaCount",
  "accountId",
  "reservationId",
  "allowMissing",
  "ignoreChecks",
  "hard",
  "replaceMergedAddon",
  // Fields that only an update takes.
  "disabled",
  // Fields of a booking request that its receipt lacks.
  "requestId",
  "granted",
];

describe.each(COMMANDS.map((command) => [commandName(command), command] as const))(
  "firectl %s",
  (name, command) => {
    test("has examples that parse", () => {
      expect(command.examples.length).toBeGreaterThan(0);
      for (const example of command.examples) {
        const line = example.replace(/^source <\((.*)\)$/, "$1").replace(/ > .*$/, "");
        const [program, ...argv] = words(line);
        const parsed = parseLine(argv, COMMANDS, GLOBAL_FLAGS);
        expect(program).toBe("firectl");
        expect(parsed.command === null ? "" : commandName(parsed.command)).toBe(name);
        checkArgs(command, parsed.args);
      }
    });

    test("has help with its summary, flags and examples", async () => {
      const { code, stdout } = await firectl([...name.split(" "), "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain(command.summary);
      expect(stdout).toContain(command.examples[0]);
      for (const flag of [...command.flags, ...GLOBAL_FLAGS]) expect(stdout).toContain(`--${flag.name}`);
      expect(await firectl(["help", ...name.split(" ")])).toEqual(await firectl([...name.split(" "), "-h"]));
    });

    test("has unique flag names, and a sentence of help for each flag", () => {
      const all: readonly Flag[] = [...command.flags, ...GLOBAL_FLAGS];
      const names = all.flatMap((flag) => [flag.name, ...(flag.aliases ?? [])]);
      expect(new Set(names).size).toBe(names.length);
      for (const { help } of all) expect(help).toMatch(/[.)]$/);
    });

    test("sets only fields of the contract", () => {
      const { resource } = command as ResourceCommand;
      if (resource === undefined) return;
      const schema = schemas[SCHEMA_OF[resource.collection] as string];
      expect(schema).toBeDefined();
      const fields = command.flags.flatMap(({ field }) => field ?? []);
      const unknown = fields.filter(
        (field) => !PARAMETERS.includes(field) && fieldAt(schema, field) === undefined,
      );
      expect(unknown).toEqual([]);
      const columns = resource.columns.filter(([, field]) => fieldAt(schema, field) === undefined);
      expect(columns).toEqual([]);
    });

    test("loads its code", async () => {
      expect(typeof (await command.load())).toBe("function");
    });
  },
);

test.each([
  ["BillingTier", BILLING_TIERS],
  ["PaymentTerms", PAYMENT_TERMS],
  ["UsageGrouping", USAGE_GROUPINGS],
  ["Precision", PRECISIONS],
  ["AcceleratorType", ACCELERATOR_TYPES],
  ["DirectRouteType", DIRECT_ROUTE_TYPES],
  ["Region", REGIONS],
])("flags accept exactly the contract's values of %s", (name, values) => {
  const known = schemas[name]?.enum?.filter((value) => !value.endsWith("_UNSPECIFIED")) ?? [];
  expect([...values].sort()).toEqual([...known].sort());
});

test("firectl without arguments lists all commands, and a command group lists its own", async () => {
  expect((await firectl([])).stdout).toContain("load-lora");
  expect((await firectl("create --help")).stdout).toContain("deployed-model");
  const { code, stderr } = await firectl("create");
  expect(code).toBe(2);
  expect(stderr).toContain("firectl create needs a resource: model, dataset");
});
