import { type Static, Type } from "typebox";

const readOnly = { readOnly: true } as const;

export const SampleNoteBody = Type.Object({
  name: Type.Optional(Type.String(readOnly)),
  displayName: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  /** Id of the user. */
  createdBy: Type.Optional(Type.String(readOnly)),
  createTime: Type.Optional(Type.String(readOnly)),
  updateTime: Type.Optional(Type.String(readOnly)),
});
export type SampleNoteBody = Static<typeof SampleNoteBody>;

export const CreateSampleNoteQuery = Type.Object({ sampleNoteId: Type.Optional(Type.String()) });
export const UpdateSampleNoteQuery = Type.Object({ updateMask: Type.Optional(Type.String()) });
