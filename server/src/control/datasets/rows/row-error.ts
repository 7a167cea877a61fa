/** What is wrong with one row, in words that are safe to show: no content of the row but names of fields, cut short. */
export class RowError extends Error {}
