/** Reads the length of the context that a model server reports. */

/** `max_model_len` of a model in the response to GET models; null: the response has none. */
export function parseModelContext(response: unknown, model: string): number | null {
  const list = (response as { data?: unknown } | null)?.data;
  if (!Array.isArray(list)) return null;
  const entry = list.find((one) => (one as { id?: unknown } | null)?.id === model) ?? list[0];
  return tokenCount((entry as { max_model_len?: unknown } | null | undefined)?.max_model_len);
}

/** The context of one slot in the response of llama-server to GET /props; null: the response has none. */
export function parsePropertiesContext(response: unknown): number | null {
  const settings = (response as { default_generation_settings?: unknown } | null)
    ?.default_generation_settings;
  return tokenCount((settings as { n_ctx?: unknown } | null | undefined)?.n_ctx);
}

function tokenCount(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}
