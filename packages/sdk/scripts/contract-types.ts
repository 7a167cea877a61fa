/** Writes TypeScript types for the contract's schemas. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  description?: string;
  readOnly?: boolean;
  deprecated?: boolean;
}

/** One exported type per schema. Enums also accept other strings, as a newer server may have more values. */
export function typesOf(schemas: Record<string, Schema>): string {
  return Object.entries(schemas)
    .map(([name, schema]) => {
      const doc = docOf(schema.description);
      const isInterface = schema.properties !== undefined && schema.allOf === undefined;
      return isInterface
        ? `${doc}export interface ${name} ${objectType(schema, "")}`
        : `${doc}export type ${name} = ${typeOf(schema, "")};`;
    })
    .join("\n\n");
}

/** @param prefix is put before the names of other schemas, such as `types.` */
export function typeOf(schema: Schema, prefix: string): string {
  if (schema.$ref !== undefined) return prefix + refName(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return enumType(schema.enum);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return union(alternatives.map((one) => typeOf(one, prefix)));
  if (schema.allOf !== undefined) return intersection(schema.allOf, prefix);
  const types = [schema.type ?? []].flat();
  return types.length === 0 ? "unknown" : union(types.map((type) => plainType(type, schema, prefix)));
}

export function refName(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}

/** A doc comment with its line break; empty if all texts are empty. */
export function docOf(...texts: (string | undefined)[]): string {
  const text = texts.filter((one) => one !== undefined && one !== "").join(" ");
  return text === "" ? "" : `/** ${text.replaceAll("*/", "* /")} */\n`;
}

export function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function plainType(type: string, schema: Schema, prefix: string): string {
  if (type === "integer") return "number";
  if (type === "string") return schema.format === "binary" ? "Blob" : "string";
  if (type === "array") return `readonly ${wrapped(typeOf(schema.items ?? {}, prefix))}[]`;
  return type === "object" ? objectType(schema, prefix) : type;
}

function objectType(schema: Schema, prefix: string): string {
  if (schema.properties === undefined) {
    const values = schema.additionalProperties;
    if (values === false) return "Record<string, never>";
    return `Record<string, ${typeof values === "object" ? typeOf(values, prefix) : "unknown"}>`;
  }
  const fields = Object.entries(schema.properties).map(([name, field]) => {
    const doc = docOf(
      field.description,
      field.readOnly === true ? "Output only." : undefined,
      field.deprecated === true ? "@deprecated" : undefined,
    );
    const isRequired = schema.required?.includes(name) === true;
    const type = typeOf(field, prefix);
    return `${doc}${propertyName(name)}${isRequired ? "" : "?"}: ${type}${isRequired ? "" : " | undefined"};`;
  });
  return `{\n${fields.join("\n")}\n}`;
}

/** Intersects types. A part that has only `required` makes those fields of the other parts required. */
function intersection(parts: readonly Schema[], prefix: string): string {
  const required = parts.flatMap((part) => (part.properties === undefined ? (part.required ?? []) : []));
  const types = parts
    .filter((part) => part.$ref !== undefined || part.properties !== undefined)
    .map((part) => typeOf(part, prefix))
    .join(" & ");
  if (required.length === 0) return types;
  return `WithRequired<${types}, ${union(required.map((name) => JSON.stringify(name)))}>`;
}

function enumType(values: readonly unknown[]): string {
  const isText = values.every((value) => typeof value === "string");
  return union([...values.map((value) => JSON.stringify(value)), ...(isText ? ["(string & {})"] : [])]);
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(" | ");
}

function wrapped(type: string): string {
  return / [|&] /.test(type) || type.startsWith("readonly ") ? `(${type})` : type;
}
