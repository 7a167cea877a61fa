import type { SampleNoteBody } from "./schema.ts";
import type { SampleNoteRow } from "./store.ts";

/** The row as clients see it. */
export function sampleNoteView(row: SampleNoteRow): SampleNoteBody {
  return {
    name: `accounts/${row.accountId}/sampleNotes/${row.id}`,
    displayName: row.displayName,
    description: row.description,
    createdBy: row.createdBy,
    createTime: row.createTime.toISOString(),
    updateTime: row.updateTime.toISOString(),
  };
}

/** For messages. */
export function titleOf(accountId: string, id: string): string {
  return `Sample note accounts/${accountId}/sampleNotes/${id}`;
}
