import { badRequest } from "../../lib/errors.ts";

const NAME = /^accounts\/([^/]{1,128})\/deploymentShapes\/([^/]{1,128})(?:\/versions\/(\d{1,9}))?$/;

export function shapeName(accountId: string, id: string): string {
  return `accounts/${accountId}/deploymentShapes/${id}`;
}

export function versionName(accountId: string, id: string, version: number): string {
  return `${shapeName(accountId, id)}/versions/${version}`;
}

/** Reads the name of a shape or of one of its versions. @throws AppError BAD_REQUEST naming the field. */
export function parseShapeName(
  field: string,
  name: string,
): { accountId: string; id: string; version: number | null } {
  const [, accountId, id, version] = NAME.exec(name) ?? [];
  if (accountId !== undefined && id !== undefined) {
    return { accountId, id, version: version === undefined ? null : Number(version) };
  }
  throw badRequest(field, `${field} must be a name, accounts/{account}/deploymentShapes/{shape}.`);
}
