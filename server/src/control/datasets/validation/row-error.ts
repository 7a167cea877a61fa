/** What is wrong with one row, in words that are safe to show: no content of the row but names of fields, cut short. */
export class RowError extends Error {}

const MAX_ECHO_LENGTH = 64;

/** A field's name as it may stand in a message. */
export function fieldName(name: string): string {
  const clean = name
    .slice(0, MAX_ECHO_LENGTH)
    .toWellFormed()
    .replaceAll(/\p{C}|\p{Zl}|\p{Zp}/gu, "\ufffd");
  return name.length > MAX_ECHO_LENGTH ? `${clean}…` : clean;
}
