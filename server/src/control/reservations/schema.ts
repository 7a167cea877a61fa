import { type Static, Type } from "typebox";
import { ACCELERATOR_TYPES } from "../deployment-shapes/service.ts";
import { MULTI_REGIONS, REGIONS } from "../deployments/service.ts";

const readOnly = { readOnly: true } as const;

export const ReservationBody = Type.Object({
  name: Type.Optional(Type.String(readOnly)),
  displayName: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  createTime: Type.Optional(Type.String(readOnly)),
  createdBy: Type.Optional(Type.String(readOnly)),
  region: Type.Optional(Type.Enum(REGIONS)),
  multiRegion: Type.Optional(Type.Enum(MULTI_REGIONS)),
  acceleratorType: Type.Optional(Type.Enum(ACCELERATOR_TYPES)),
  reservedCount: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
  startTime: Type.Optional(Type.String()),
  endTime: Type.Optional(Type.String()),
  updateTime: Type.Optional(Type.String(readOnly)),
});
export type ReservationBody = Static<typeof ReservationBody>;

export const CreateReservationQuery = Type.Object({ reservationId: Type.Optional(Type.String()) });
