/** A tokenizer as data: what the conversion of a model writes into its GGUF file, and what the engine runs. */

/** GGUF key of the `TokenizerSpec`, as JSON. Only conversions write it. */
export const TOKENIZER_KEY = "hearth.tokenizer";
/** GGUF key of the ids of all tokens that end a response. Only conversions write it. */
export const END_TOKENS_KEY = "hearth.end_token_ids";
/** The character that vocabularies like SentencePiece's write for a space. */
export const META_SPACE = "▁";

/** A change of the whole text before it is cut. */
export type Normalizer =
  | { type: "NFC" }
  | { type: "Prepend"; text: string }
  | { type: "Replace"; from: string; to: string };

/** A step that cuts a text into pieces. No token crosses from one piece into the next. */
export type PreTokenizer =
  | { type: "Split"; pattern: PatternName }
  | { type: "Digits"; individual: boolean }
  /** Puts a space before every piece that does not begin with one. */
  | { type: "PrefixSpace" }
  /** Writes spaces as "▁" and may put one in front: of every part between added tokens, of the text, or of none. */
  | { type: "Metaspace"; prepend: "always" | "first" | "never"; split: boolean }
  /** Is the last step, if it is there: the vocabulary writes each byte of a piece as a letter. */
  | { type: "ByteLevel" };

export type PatternName =
  | "gpt-2"
  | "words-3-digits"
  | "words-1-digit"
  | "cased-words"
  | "cased-words-3-digits";

/** A token that is matched before the text is cut. */
export interface AddedToken {
  id: number;
  text: string;
  /** A control token. Text that must be read as plain text does not match it. */
  special: boolean;
  /** Matched in the normalised text; otherwise in the original one. */
  normalized: boolean;
  /** Matches only where no letter, digit or underscore is next to it. */
  singleWord: boolean;
  /** Takes the white space before it. */
  leftStrip: boolean;
  /** Takes the white space after it. */
  rightStrip: boolean;
}

export interface TokenizerSpec {
  normalizers: readonly Normalizer[];
  preTokenizers: readonly PreTokenizer[];
  addedTokens: readonly AddedToken[];
  /** The vocabulary's texts by id; null for ids without one. Added tokens need none. */
  tokens: readonly (string | null)[];
  /** Three ids a merge: left, right and their union. Earlier merges come first. */
  merges: readonly number[];
  /** Ranks of the merges where some share one, from 0, ascending; null: the n-th merge has the rank n. */
  mergeRanks: readonly number[] | null;
  /** A whole piece that is a token is used as it is, without merging. */
  ignoreMerges: boolean;
  /** A character without a token becomes the tokens of its bytes, `<0x00>` to `<0xFF>`. */
  byteFallback: boolean;
  /** The token of a character without one; null: the character is dropped. */
  unknown: number | null;
  /** Neighbouring unknown characters become one token. */
  fuseUnknown: boolean;
}
