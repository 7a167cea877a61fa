import type { Listing } from "../client/listing.ts";
import type { OperationClient, OperationId, ResourceCallOptions } from "../client/operation-client.ts";
import { OPERATIONS, type OperationTypes } from "../generated/operations.ts";
import { RESOURCES } from "../generated/resources.ts";

type Params<Id extends OperationId> = OperationTypes[Id]["params"];
type Result<Id extends OperationId> = OperationTypes[Id] extends { item: infer Item }
  ? Listing<Item>
  : Promise<OperationTypes[Id]["result"]>;
/** The parameters may be omitted when none is required. */
type Rest<P> = object extends P
  ? [params?: P, options?: ResourceCallOptions]
  : [params: P, options?: ResourceCallOptions];

/** `name` is the full name or the id of a resource; for a list, of its parent. */
export type Method<Id extends OperationId> = OperationTypes[Id] extends { named: true }
  ? (name: string, ...rest: Rest<Params<Id>>) => Result<Id>
  : (...rest: Rest<Params<Id>>) => Result<Id>;

/** Maps method names to the methods of their operations. */
export type Methods<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends OperationId ? Method<Table[Name]> : never;
};

/** All resources of the control plane. */
export type Resources = { readonly [Name in keyof typeof RESOURCES]: Methods<(typeof RESOURCES)[Name]> };

export function createResources(operations: OperationClient): Resources {
  return Object.fromEntries(
    Object.entries(RESOURCES).map(([name, table]) => [name, methods(operations, table)]),
  ) as Resources;
}

export function methods<const Table extends Readonly<Record<string, OperationId>>>(
  operations: OperationClient,
  table: Table,
): Methods<Table> {
  return Object.fromEntries(
    Object.entries(table).map(([name, id]) => [name, method(operations, id)]),
  ) as unknown as Methods<Table>;
}

function method(operations: OperationClient, id: OperationId): (...args: never[]) => unknown {
  const operation: { path: string; items?: string } = OPERATIONS[id];
  const run =
    operation.items === undefined ? operations.call.bind(operations) : operations.list.bind(operations);
  const isNamed = /\{\w+\}/.test(operation.path.replace("/v1/accounts/{account_id}/", "/"));
  return isNamed
    ? (name = "", params = {}, options = {}) => run(id, name, params, options)
    : (params = {}, options = {}) => run(id, undefined, params, options);
}
