import type { GenerateRequest } from "./generation.ts";

const MAX_CACHED_PROMPTS = 100;

interface CachedPrompt {
  scope: string;
  tokens: readonly number[];
}

/** What a cache of the last prompts would spare. */
export class FakePromptCache {
  readonly #prompts: CachedPrompt[] = [];

  /** How many of a prompt's tokens are known; the prompt is kept. */
  matchAndStore(request: GenerateRequest, prompt: readonly number[]): number {
    const { cacheMaxTokens = prompt.length } = request;
    const scope = JSON.stringify([request.cacheScope, request.lora]);
    let common = 0;
    for (const kept of this.#prompts) {
      if (kept.scope !== scope) continue;
      const end = prompt.findIndex((token, i) => token !== kept.tokens[i]);
      common = Math.max(common, end < 0 ? prompt.length : end);
    }
    this.#prompts.push({ scope, tokens: prompt.slice(0, cacheMaxTokens) });
    if (this.#prompts.length > MAX_CACHED_PROMPTS) this.#prompts.shift();
    return Math.min(common, cacheMaxTokens, prompt.length - 1);
  }
}
