import { type Json, SchemaDocument } from "./json-schema/schema-document.ts";
import { SchemaError } from "./json-schema/schema-error.ts";
import { InstanceValidator } from "./json-schema/validate.ts";

/** A text to check against a JSON schema, both as JSON. */
export interface InstanceJob {
  text: string;
  schema: string;
}

/** False when the text is no JSON or surely doesn't fit. */
export function runInstanceJob({ text, schema }: InstanceJob): boolean {
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  try {
    const document = new SchemaDocument(JSON.parse(schema));
    return new InstanceValidator(document).validate(value, document.root) !== null;
  } catch (error) {
    if (error instanceof SchemaError || error instanceof RangeError) return true;
    throw error;
  }
}
