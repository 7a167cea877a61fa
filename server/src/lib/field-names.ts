/** `base_model_details.parameter_count` → `baseModelDetails.parameterCount`; camelCase stays as it is. */
export function toCamelCasePath(path: string): string {
  return path.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

const MAX_ECHO_LENGTH = 64;

/** Makes a text from the client safe to echo in a message: short, well-formed, without control characters. */
export function sanitizeForMessage(text: string): string {
  const clean = text
    .slice(0, MAX_ECHO_LENGTH)
    .toWellFormed()
    .replace(/\p{C}|\p{Zl}|\p{Zp}/gu, "\ufffd");
  return text.length > MAX_ECHO_LENGTH ? `${clean}…` : clean;
}
