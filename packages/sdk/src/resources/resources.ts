import type { Listing } from "../client/listing.ts";
import type { OperationClient, OperationId, ResourceCallOptions } from "../client/operation-client.ts";
import { OPERATIONS, type OperationTypes } from "../generated/operations.ts";
import { RESOURCES } from "../generated/resources.ts";

type Params<Id extends OperationId> = OperationTypes[Id]["params"];
type Result<Id extends OperationId> = OperationTypes[Id] extends { item: infer Item }
  ? Listing<Item>
  : Promise<OperationTypes[Id]["result"]>;
/** Parameters may be left out when none of them is needed. */
type Rest<P> = object extends P
  ? [params?: P, options?: ResourceCallOptions]
  : [params: P, options?: ResourceCallOptions];

/** `name`: the full name of a thing (of the parent, for a list), or its id. */
export type Method<Id extends OperationId> = OperationTypes[Id] extends { named: true }
  ? (name: string, ...rest: Rest<Params<Id>>) => Result<Id>
  : (...rest: Rest<Params<Id>>) => Result<Id>;

/** Methods by their names, from the ids of their operations. */
export type Methods<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends OperationId ? Method<Table[Name]> : never;
};

/** All resources of the control plane. */
export type Resources = { readonly [Name in keyof typeof RESOURCES]: Methods<(typeof RESOURCES)[Name]> };

export function createResources(caller: OperationClient): Resources {
  return Object.fromEntries(
    Object.entries(RESOURCES).map(([name, table]) => [name, methods(caller, table)]),
  ) as Resources;
}

export function methods<const Table extends Readonly<Record<string, OperationId>>>(
  caller: OperationClient,
  table: Table,
): Methods<Table> {
  return Object.fromEntries(
    Object.entries(table).map(([name, id]) => [name, method(caller, id)]),
  ) as unknown as Methods<Table>;
}

function method(caller: OperationClient, id: OperationId): (...args: never[]) => unknown {
  const operation: { path: string; items?: string } = OPERATIONS[id];
  const run = operation.items === undefined ? caller.call.bind(caller) : caller.list.bind(caller);
  const isNamed = /\{\w+\}/.test(operation.path.replace("/v1/accounts/{account_id}/", "/"));
  return isNamed
    ? (name = "", params = {}, options = {}) => run(id, name, params, options)
    : (params = {}, options = {}) => run(id, undefined, params, options);
}
