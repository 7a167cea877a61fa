/** Turns text into the token ids that the `tokenizers` library gives for a model's `tokenizer.json`. */
import { AddedTokenMatcher } from "./added-tokens.ts";
import { Bpe } from "./bpe.ts";
import { DIGIT, patternOf } from "./patterns.ts";
import {
  type AddedToken,
  META_SPACE,
  type Normalizer,
  type PreTokenizer,
  type TokenizerSpec,
} from "./types.ts";

/** Start and end offsets within a text. */
export type TextRange = readonly [start: number, end: number];

interface Piece {
  text: string;
  /** The text begins with this piece. */
  isFirst: boolean;
}

type Step = (pieces: Piece[]) => Piece[];

export class BpeTokenizer {
  readonly #normalizers: readonly Normalizer[];
  readonly #steps: readonly Step[];
  readonly #bpe: Bpe;
  /** Of tokens that are matched in the original text. */
  readonly #original: AddedTokenMatcher;
  /** Of tokens that are matched in the normalised text. */
  readonly #normalized: AddedTokenMatcher;
  readonly #hasNormalizedSpecial: boolean;

  constructor(spec: TokenizerSpec) {
    this.#normalizers = spec.normalizers;
    this.#steps = spec.preTokenizers.map(stepOf);
    this.#bpe = new Bpe({ ...spec, byteLevel: spec.preTokenizers.at(-1)?.type === "ByteLevel" });
    const [normalized, original] = [true, false].map((kind) =>
      spec.addedTokens.filter((token) => token.normalized === kind),
    ) as [AddedToken[], AddedToken[]];
    this.#original = new AddedTokenMatcher(new Map(original.map((token) => [token.text, token])));
    this.#normalized = new AddedTokenMatcher(
      new Map(normalized.map((token) => [this.#normalize(token.text), token])),
    );
    this.#hasNormalizedSpecial = normalized.some(({ special }) => special);
  }

  /** @param plain ascending ranges in which special tokens are read as plain text */
  encode(given: string, plain: readonly TextRange[] = []): number[] {
    const text = given.toWellFormed();
    const tokens: number[] = [];
    const isPlain = (start: number, end: number) => plain.some(([from, to]) => start < to && end > from);
    for (const { token, start, end } of this.#original.split(text, isPlain)) {
      if (token !== null) tokens.push(token.id);
      else if (this.#hasNormalizedSpecial && isPlain(start, end)) {
        // Normalising moves offsets, so that the text is cut where plain text begins and ends.
        for (const part of cutAt(plain, start, end)) {
          this.#encodeText(text.slice(part.start, part.end), part.start === 0, part.isPlain, tokens);
        }
      } else this.#encodeText(text.slice(start, end), start === 0, false, tokens);
    }
    return tokens;
  }

  #encodeText(original: string, isFirst: boolean, isPlain: boolean, tokens: number[]): void {
    const text = this.#normalize(original);
    for (const { token, start, end } of this.#normalized.split(text, () => isPlain)) {
      if (token === null)
        this.#encodePlain({ text: text.slice(start, end), isFirst: isFirst && start === 0 }, tokens);
      else tokens.push(token.id);
    }
  }

  #encodePlain(part: Piece, tokens: number[]): void {
    const pieces = this.#steps.reduce((cut, step) => step(cut), [part]);
    for (const { text } of pieces) if (text !== "") this.#bpe.encode(text, tokens);
  }

  #normalize(original: string): string {
    let text = original;
    for (const step of this.#normalizers) {
      if (step.type === "NFC") text = text.normalize("NFC");
      else if (step.type === "Replace") text = text.replaceAll(step.from, () => step.to);
      else if (text !== "") text = step.text + text;
    }
    return text;
  }
}

function cutAt(
  plain: readonly TextRange[],
  start: number,
  end: number,
): { start: number; end: number; isPlain: boolean }[] {
  const parts: { start: number; end: number; isPlain: boolean }[] = [];
  let done = start;
  const add = (to: number, isPlain: boolean) => {
    if (to > done) parts.push({ start: done, end: to, isPlain });
    done = Math.max(done, to);
  };
  for (const [from, to] of plain) {
    add(Math.min(from, end), false);
    add(Math.min(to, end), true);
  }
  add(end, false);
  return parts;
}

function stepOf(step: PreTokenizer): Step {
  switch (step.type) {
    case "Split":
      return eachPiece(isolate(patternOf(step.pattern)));
    case "Digits":
      return eachPiece(isolate(new RegExp(step.individual ? DIGIT.source : `${DIGIT.source}+`, "gv")));
    case "PrefixSpace":
      return (pieces) =>
        pieces.map((piece) => (piece.text.startsWith(" ") ? piece : { ...piece, text: ` ${piece.text}` }));
    case "ByteLevel":
      // The vocabulary's letters are made where a piece is looked up.
      return (pieces) => pieces;
    case "Metaspace":
      return metaspace(step);
  }
}

function eachPiece(cut: (text: string) => string[]): Step {
  return (pieces) =>
    pieces.flatMap(({ text, isFirst }) =>
      cut(text).map((part, index) => ({ text: part, isFirst: isFirst && index === 0 })),
    );
}

/** Cuts a text into the matches of a pattern and what lies between them. */
function isolate(pattern: RegExp): (text: string) => string[] {
  return (text) => {
    const parts: string[] = [];
    let done = 0;
    for (const match of text.matchAll(pattern)) {
      if (match.index > done) parts.push(text.slice(done, match.index));
      if (match[0] !== "") parts.push(match[0]);
      done = match.index + match[0].length;
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  };
}

function metaspace({ prepend, split }: Extract<PreTokenizer, { type: "Metaspace" }>): Step {
  const beforeSpace = new RegExp(`(?=${META_SPACE})`, "u");
  return (pieces) =>
    pieces.flatMap(({ text, isFirst }) => {
      let replaced = text.replaceAll(" ", META_SPACE);
      const isPrepended = prepend === "always" || (prepend === "first" && isFirst);
      if (isPrepended && !replaced.startsWith(META_SPACE)) replaced = META_SPACE + replaced;
      const parts = split ? replaced.split(beforeSpace) : [replaced];
      return parts.map((part, index) => ({ text: part, isFirst: isFirst && index === 0 }));
    });
}
