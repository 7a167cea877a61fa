import type { GenerateRequest } from "./generation.ts";

const MAX_CACHED_PROMPTS = 100;

interface CachedPrompt {
  scope: string;
  tokens: readonly number[];
}

/** A cache of the last prompts, by cache scope and LoRA. */
export class FakePromptCache {
  readonly #prompts: CachedPrompt[] = [];

  /** Returns how many of the prompt's tokens are cached, at most all but the last one, and stores the prompt. */
  matchAndStore(request: GenerateRequest, prompt: readonly number[]): number {
    const { cacheMaxTokens = prompt.length } = request;
    const scope = JSON.stringify([request.cacheScope, request.lora]);
    let common = 0;
    for (const cached of this.#prompts) {
      if (cached.scope !== scope) continue;
      const end = prompt.findIndex((token, i) => token !== cached.tokens[i]);
      common = Math.max(common, end < 0 ? prompt.length : end);
    }
    this.#prompts.push({ scope, tokens: prompt.slice(0, cacheMaxTokens) });
    if (this.#prompts.length > MAX_CACHED_PROMPTS) this.#prompts.shift();
    return Math.min(common, cacheMaxTokens, prompt.length - 1);
  }
}
