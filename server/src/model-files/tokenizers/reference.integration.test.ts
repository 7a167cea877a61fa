/**
 * Compares tokens with those of the `tokenizers` library for small tokenizers of every supported family. They lie in
 * reference/tokenizers.jsonl, trained by train.py, with a digest of each text's expected ids; write-references.ts makes
 * the file anew. Where Python and the library can be had, other texts are compared too.
 */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { pythonWithTokenizers } from "../../../test/harness/python-tokenizers.ts";
import { BpeTokenizer } from "../../tokenization/bpe-tokenizer.ts";
import { parseJsonObject } from "../json.ts";
import { nastyTexts, randomTexts } from "./reference/nasty-texts-fixture.ts";
import { digestOf, ENCODE_SCRIPT, type Reference, readReferences } from "./reference/references-fixture.ts";
import { sentencePieceModelVocabulary } from "./sentencepiece.ts";
import { vocabularyOf } from "./tokenizer.ts";

const references = readReferences();
const python = await pythonWithTokenizers();

/** What the engine would run after a conversion. */
function converted({ tokenizer, model, legacy }: Reference): BpeTokenizer {
  const size = 4_000;
  const { spec } =
    model === null
      ? vocabularyOf(parseJsonObject("tokenizer.json", Buffer.from(JSON.stringify(tokenizer))), size)
      : sentencePieceModelVocabulary(Buffer.from(model, "base64"), { size, added: [], legacy });
  return new BpeTokenizer(JSON.parse(JSON.stringify(spec)));
}

test.each(references)(
  "A tokenizer like $name gives the library's tokens for every nasty text",
  (reference) => {
    const tokenizer = converted(reference);
    const texts = nastyTexts();
    expect(texts.length).toBeGreaterThan(300);
    const wrong = texts.filter(
      (text, index) => digestOf(tokenizer.encode(text)) !== reference.digests[index],
    );
    expect(wrong).toEqual([]);
  },
);

test.skipIf(python === null)("Every tokenizer gives the library's tokens for random texts", async () => {
  const seed = randomInt(2 ** 31);
  const texts = [...nastyTexts(seed), ...randomTexts(seed, 500)].map((text) => text.toWellFormed());
  const tokenizers = Object.fromEntries(references.map(({ name, tokenizer }) => [name, tokenizer]));
  const expected = JSON.parse(await python!(ENCODE_SCRIPT, { tokenizers, texts }));
  for (const reference of references) {
    const tokenizer = converted(reference);
    for (const [index, text] of texts.entries()) {
      expect({ seed, text, tokens: tokenizer.encode(text) }).toEqual({
        seed,
        text,
        tokens: expected[reference.name][index],
      });
    }
  }
});
