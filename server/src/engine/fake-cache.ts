import type { GenerateRequest } from "./port.ts";

const PROMPTS_KEPT = 100;

interface Kept {
  scope: string | undefined;
  tokens: readonly number[];
}

/** What a cache of the last prompts would spare. */
export class FakeCache {
  readonly #kept: Kept[] = [];

  /** How many of a prompt's tokens are known; the prompt is kept. */
  use(request: GenerateRequest, prompt: readonly number[]): number {
    const { cacheScope, cacheMaxTokens = prompt.length } = request;
    let common = 0;
    for (const { scope, tokens } of this.#kept) {
      if (scope !== cacheScope) continue;
      const end = prompt.findIndex((token, i) => token !== tokens[i]);
      common = Math.max(common, end < 0 ? prompt.length : end);
    }
    this.#kept.push({ scope: cacheScope, tokens: prompt.slice(0, cacheMaxTokens) });
    if (this.#kept.length > PROMPTS_KEPT) this.#kept.shift();
    return Math.min(common, cacheMaxTokens, prompt.length - 1);
  }
}
