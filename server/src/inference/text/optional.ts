import { type TSchema, Type } from "typebox";

/** A field that may be absent or null; both mean the default. */
export function optional<T extends TSchema>(schema: T) {
  return Type.Optional(Type.Union([schema, Type.Null()]));
}
