/** How a loaded model's text becomes tokens, and which tokens end its output. */
import type { LlamaModel } from "node-llama-cpp";
import { BpeTokenizer, type TextRange } from "../../../tokenization/bpe-tokenizer.ts";
import { parseTokenizerSpec } from "../../../tokenization/parse-spec.ts";

export interface TextEncoder {
  /** @param plain ascending ranges in which special tokens are read as plain text */
  encode(text: string, plain?: readonly TextRange[]): number[];
  endTokens: ReadonlySet<number>;
}

const encoders = new WeakMap<LlamaModel, TextEncoder>();

/**
 * The model's own tokenizer where a conversion has written one, because llama.cpp's differs from it: in normalisation,
 * in white space around added tokens, in letters and marks. Otherwise llama.cpp's.
 */
export function textEncoderOf(model: LlamaModel): TextEncoder {
  let encoder = encoders.get(model);
  if (encoder === undefined) {
    encoder = { encode: encoding(model), endTokens: new Set(endTokens(model)) };
    encoders.set(model, encoder);
  }
  return encoder;
}

function encoding(model: LlamaModel): TextEncoder["encode"] {
  const spec = converted(model).tokenizer;
  if (typeof spec === "string") {
    const tokenizer = new BpeTokenizer(parseTokenizerSpec(spec, [...model.iterateAllTokens()].length));
    return (text, plain) => tokenizer.encode(text, plain);
  }
  return (text, plain = []) => {
    const tokens: number[] = [];
    let done = 0;
    for (const [start, end] of plain) {
      tokens.push(...model.tokenize(text.slice(done, start), true));
      tokens.push(...model.tokenize(text.slice(start, end), false));
      done = end;
    }
    // Without plain ranges, the usual case, the tokens are returned without a copy.
    const rest = model.tokenize(text.slice(done), true);
    return done === 0 ? rest : [...tokens, ...rest];
  };
}

function endTokens(model: LlamaModel): number[] {
  const ids = converted(model).end_token_ids;
  const known = [...model.iterateAllTokens()].filter((token) => model.isEogToken(token));
  return Array.isArray(ids) ? [...known, ...(ids as number[])] : known;
}

/** The keys that only conversions write. */
function converted(model: LlamaModel): { tokenizer?: unknown; end_token_ids?: unknown } {
  const metadata = model.fileInfo.metadata as { hearth?: { tokenizer?: unknown; end_token_ids?: unknown } };
  return metadata.hearth ?? {};
}
