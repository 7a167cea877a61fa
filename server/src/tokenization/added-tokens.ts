/** Finds the added tokens of a text: at each place the longest one, from left to right. */
import { WHITE_SPACE, WORD_CHARACTER } from "./patterns.ts";
import type { AddedToken } from "./types.ts";

/** A part of a text: a token, or the text between tokens. */
export interface TextPart {
  token: AddedToken | null;
  start: number;
  end: number;
}

interface TrieNode {
  children: Map<number, TrieNode>;
  token: AddedToken | null;
}

export class AddedTokenMatcher {
  readonly #root: TrieNode = { children: new Map(), token: null };

  /** @param tokens by the texts to look for */
  constructor(tokens: ReadonlyMap<string, AddedToken>) {
    for (const [text, token] of tokens) if (text !== "") this.#add(text, token);
  }

  get isEmpty(): boolean {
    return this.#root.children.size === 0;
  }

  /** @param isPlain whether the special token at this place must be read as plain text */
  split(text: string, isPlain: (start: number, end: number) => boolean): TextPart[] {
    const parts: TextPart[] = [];
    let done = 0;
    const { children } = this.#root;
    for (let at = 0; at < text.length; ) {
      const token = children.has(text.charCodeAt(at)) ? this.#longestAt(text, at) : null;
      if (token === null) {
        at++;
        continue;
      }
      const { match, length } = token;
      const end = at + length;
      const isToken = !(match.special && isPlain(at, end)) && !(match.singleWord && isInWord(text, at, end));
      if (isToken) {
        const start = match.leftStrip ? Math.max(spaceStart(text, at), done) : at;
        const stop = match.rightStrip ? spaceEnd(text, end) : end;
        if (done < start) parts.push({ token: null, start: done, end: start });
        parts.push({ token: match, start, end: stop });
        done = stop;
      }
      at = end;
    }
    if (done < text.length) parts.push({ token: null, start: done, end: text.length });
    return parts;
  }

  #add(text: string, token: AddedToken): void {
    let node = this.#root;
    for (let at = 0; at < text.length; at++) {
      let child = node.children.get(text.charCodeAt(at));
      if (child === undefined) {
        child = { children: new Map(), token: null };
        node.children.set(text.charCodeAt(at), child);
      }
      node = child;
    }
    node.token ??= token;
  }

  #longestAt(text: string, start: number): { match: AddedToken; length: number } | null {
    let node: TrieNode | undefined = this.#root;
    let found: { match: AddedToken; length: number } | null = null;
    for (let at = start; at < text.length; at++) {
      node = node.children.get(text.charCodeAt(at));
      if (node === undefined) break;
      if (node.token !== null) found = { match: node.token, length: at + 1 - start };
    }
    return found;
  }
}

function isInWord(text: string, start: number, end: number): boolean {
  const before = start === 0 ? "" : codePointBefore(text, start);
  const after = end === text.length ? "" : String.fromCodePoint(text.codePointAt(end)!);
  return WORD_CHARACTER.test(before) || WORD_CHARACTER.test(after);
}

function codePointBefore(text: string, at: number): string {
  const isPair = at > 1 && text.codePointAt(at - 2)! > 0xffff;
  return text.slice(isPair ? at - 2 : at - 1, at);
}

function spaceStart(text: string, end: number): number {
  let at = end;
  while (at > 0 && WHITE_SPACE.test(text[at - 1]!)) at--;
  return at;
}

function spaceEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && WHITE_SPACE.test(text[at]!)) at++;
  return at;
}
