import type { GenerateRequest } from "./port.ts";

const PROMPTS_KEPT = 100;

interface Kept {
  scope: string;
  tokens: readonly number[];
}

/** What a cache of the last prompts would spare. */
export class FakeCache {
  readonly #kept: Kept[] = [];

  /** How many of a prompt's tokens are known; the prompt is kept. */
  use(request: GenerateRequest, prompt: readonly number[]): number {
    const { cacheMaxTokens = prompt.length } = request;
    const scope = JSON.stringify([request.cacheScope, request.lora]);
    let common = 0;
    for (const kept of this.#kept) {
      if (kept.scope !== scope) continue;
      const end = prompt.findIndex((token, i) => token !== kept.tokens[i]);
      common = Math.max(common, end < 0 ? prompt.length : end);
    }
    this.#kept.push({ scope, tokens: prompt.slice(0, cacheMaxTokens) });
    if (this.#kept.length > PROMPTS_KEPT) this.#kept.shift();
    return Math.min(common, cacheMaxTokens, prompt.length - 1);
  }
}
