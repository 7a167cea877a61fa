import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Token } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textEncoderOf } from "../../engines/llama-cpp/tokenizer/text-encoder.ts";
import { convertToGguf } from "../convert/convert.ts";
import { FileBytes } from "../file-bytes.ts";
import { type GgufValue, readGguf } from "../gguf/reader.ts";
import { withModel } from "../llama-cpp-fixture.ts";
import { byteLetters, editJson, writeJson, writeTinyModel } from "../testing.ts";
import { type Piece, type SentencePieceOptions, sentencePieceFile } from "./sentencepiece-fixture.ts";

const signal = new AbortController().signal;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hearth-tokenizers-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Converts a tiny model with this tokenizer. @param config overrides fields of `tokenizer_config.json` */
async function convertTinyModel(tokenizer: unknown, config: Record<string, unknown> = {}): Promise<string> {
  const source = await mkdtemp(join(folder, "model-"));
  await writeTinyModel(source, { config: { vocab_size: 400 }, tokenizerConfig: config });
  if (tokenizer !== undefined) await writeJson(source, "tokenizer.json", tokenizer);
  return convert(source);
}

async function convert(source: string): Promise<string> {
  await convertToGguf(source, join(folder, "model.gguf"), { type: "F16", signal });
  return join(folder, "model.gguf");
}

async function readMetadata(): Promise<ReadonlyMap<string, GgufValue>> {
  const file = await FileBytes.open(folder, "model.gguf");
  try {
    return (await readGguf(file)).metadata;
  } finally {
    await file.close();
  }
}

/** Checks that llama.cpp gives the expected tokens for random texts. */
async function expectTokens(path: string, expected: (text: string) => number[]): Promise<void> {
  await withModel(path, async (model) => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(textEncoderOf(model).encode(text)).toEqual(expected(text));
      }),
      { numRuns: 300 },
    );
  });
}

const WORDS =
  "the|ther|other|ing|in|12|don|'t|DON'T|é|日本|🙂| |  |\n|\t|x_y|!?|9|zq| zq|The|thing|\r\n|www/ab".split(
    "|",
  );
const texts = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((words) => words.join(""));

/** BPE: merges the pair with the lowest rank, the leftmost one among equals, until no pair is left. */
function joinPairs(parts: readonly string[], merges: readonly (readonly string[])[]): string[] {
  const ranks = new Map(merges.map((pair, rank) => [pair.join(" "), rank]));
  const joined = [...parts];
  for (;;) {
    let [best, at] = [Number.POSITIVE_INFINITY, -1];
    for (let i = 0; i + 1 < joined.length; i++) {
      const rank = ranks.get(`${joined[i]} ${joined[i + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < best) [best, at] = [rank, i];
    }
    if (at < 0) return joined;
    joined.splice(at, 2, `${joined[at]}${joined[at + 1]}`);
  }
}

/** Added tokens that follow a vocabulary of `size` texts. */
const addedAfter = (size: number) => [
  { id: size, content: "<|begin|>", special: true },
  { id: size + 1, content: "<|end|>", special: true },
  { id: size + 2, content: "<tool>", special: false, normalized: false },
];

describe("a byte-level BPE tokenizer", () => {
  const merges = ["t h", "h e", "i n", "th e", "Ġ the", "the r", "in g", "1 2", "Ã ©"].map((pair) =>
    pair.split(" "),
  );
  /** No merge produces the last token. */
  const tokens = [...byteLetters(), ...merges.map((pair) => pair.join("")), "zq"];

  const added = addedAfter(tokens.length);
  const tokenizer = (preTokenizer: unknown, model: Record<string, unknown> = {}) => ({
    added_tokens: added,
    normalizer: { type: "NFC" },
    pre_tokenizer: preTokenizer,
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
      ...model,
    },
  });
  const bytes = (options: object = {}) => ({ type: "ByteLevel", add_prefix_space: false, ...options });
  const sequence = (...pretokenizers: unknown[]) => ({ type: "Sequence", pretokenizers });
  const split = (Regex: string) =>
    sequence({ type: "Split", pattern: { Regex }, behavior: "Isolated" }, bytes({ use_regex: false }));

  const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  const LLAMA3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const QWEN = LLAMA3.replace("{1,3}", "");
  const [upper, lower] = ["[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"];
  const cased = (end: string, digits: string) =>
    `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${end}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${end}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
  const TEKKEN = cased("", "\\p{N}");
  const GPT4O = cased("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}");
  /** Rewrites `(?i:…)`, which JavaScript's regular expressions lack. */
  const cut = (pattern: string) =>
    new RegExp(
      pattern.replaceAll("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'(?:[sSdDmMtT]|[lL]{2}|[vV][eE]|[rR][eE]))"),
      "gu",
    );

  test.each<[string, unknown, RegExp[], boolean?]>([
    ["gpt-2", bytes(), [cut(GPT2)]],
    ["smollm", sequence({ type: "Digits", individual_digits: true }, bytes()), [/\p{N}|\P{N}+/gu, cut(GPT2)]],
    ["llama-bpe", split(LLAMA3), [cut(LLAMA3)], true],
    ["smaug-bpe", split(LLAMA3), [cut(LLAMA3)]],
    ["qwen2", split(QWEN), [cut(QWEN)]],
    ["tekken", split(TEKKEN), [cut(TEKKEN)], true],
    ["gpt-4o", split(GPT4O), [cut(GPT4O)]],
  ])(
    "with the pre-tokenizer of %s gives the same tokens as the original",
    async (name, preTokenizer, cuts, whole = false) => {
      const path = await convertTinyModel(tokenizer(preTokenizer, { ignore_merges: whole }));
      expect((await readMetadata()).get("tokenizer.ggml.pre")).toBe(name);
      const letters = byteLetters();
      await expectTokens(path, (text) =>
        cuts
          .reduce((parts, cut) => parts.flatMap((part) => part.match(cut) ?? []), [text])
          .map((part) => [...Buffer.from(part)].map((byte) => letters[byte] as string))
          .flatMap((part) =>
            whole && tokens.includes(part.join("")) ? [part.join("")] : joinPairs(part, merges),
          )
          .map((token) => tokens.indexOf(token)),
      );
      await withModel(path, async (model) => {
        expect(textEncoderOf(model).encode("!<|end|>!<tool>")).toEqual([
          tokens.indexOf("!"),
          tokens.length + 1,
          tokens.indexOf("!"),
          tokens.length + 2,
        ]);
      });
    },
  );

  test.each<[string, unknown, RegExp]>([
    [
      "splits text with an unknown pattern",
      tokenizer(split("\\s+")),
      /pre_tokenizer\.pretokenizers\[0\]\.pattern cuts texts in a way that is not supported/,
    ],
    ["has no ByteLevel step", tokenizer({ type: "Digits" }), /pre_tokenizer must end with ByteLevel/],
    ["has an unknown step", tokenizer({ type: "Whitespace" }), /pre_tokenizer that is not supported/],
    ["leaves out merges at random", tokenizer(bytes(), { dropout: 0.1 }), /dropout is not supported/],
    [
      "marks the ends of words",
      tokenizer(bytes(), { end_of_word_suffix: "</w>" }),
      /end_of_word_suffix is not/,
    ],
    [
      "merges texts that are not in the vocabulary",
      tokenizer(bytes(), { merges: ["Q Q"] }),
      /merges have the pair "Q" "Q", which is not of the vocabulary/,
    ],
    [
      "has an added token behind a gap",
      { ...tokenizer(bytes()), added_tokens: [{ id: 390, content: "<tool>" }] },
      /added_tokens\[0\]\.id is 390, but the tokenizers library gives "<tool>" the id 266/,
    ],
    [
      "adds two tokens in front of every text",
      {
        ...tokenizer(bytes()),
        post_processor: {
          type: "TemplateProcessing",
          single: [
            { SpecialToken: { id: "<|begin|>", type_id: 0 } },
            { SpecialToken: { id: "<tool>", type_id: 0 } },
            { Sequence: { id: "A", type_id: 0 } },
          ],
        },
      },
      /single must be a text with at most one special token on either side/,
    ],
    [
      "adds tokens as BERT does",
      { ...tokenizer(bytes()), post_processor: { type: "BertProcessing", sep: ["!", 33], cls: ["!", 33] } },
      /post_processor that is not supported/,
    ],
    [
      "normalises text",
      { ...tokenizer(bytes()), normalizer: { type: "Lowercase" } },
      /normalizer that is not supported/,
    ],
    ["has another kind of model", tokenizer(bytes(), { type: "Unigram" }), /model\.type must be BPE/],
    ["has a merge of three tokens", tokenizer(bytes(), { merges: ["a b c"] }), /model\.merges must be pairs/],
    ["has no merges", tokenizer(bytes(), { merges: null }), /model\.merges is missing/],
    [
      "has an id beyond the model's vocabulary",
      tokenizer(bytes(), { vocab: { a: 400 } }),
      /token id 400; .* has 400 tokens/,
    ],
    [
      "has an id that is not an integer",
      tokenizer(bytes(), { vocab: { a: 0.5 } }),
      /vocab\.a must be an integer/,
    ],
    [
      "has a token of excessive length",
      tokenizer(bytes(), { vocab: { ["a".repeat(600)]: 1 } }),
      /too long for a token/,
    ],
    [
      "has the same token twice",
      { ...tokenizer(bytes()), added_tokens: [...added, { id: 350, content: "zq" }] },
      /the same token under the ids \d+ and \d+/,
    ],
  ])("that %s is refused", async (_, broken, reason) => {
    await expect(convertTinyModel(broken)).rejects.toThrow(reason);
    await expect(convertTinyModel(broken)).rejects.toThrow(/^tokenizer\.json: /);
  });
});

describe("SentencePiece vocabularies", () => {
  const SPACE = "▁";
  const joined = "th he in ▁t the ▁the ▁th er ther ing ▁in ▁▁ on ▁▁▁ zq".split(" ");
  const letters = [...new Set(["▁", ..."abdeghinoqrtxyz'!?é日TD\n"])];
  const byteTokens = Array.from(
    { length: 256 },
    (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const tokens = ["<unk>", ...byteTokens, ...letters, ...joined];
  const known = new Set(tokens);
  const merges = joined.flatMap((piece) =>
    Array.from({ length: piece.length - 1 }, (_, i) => [piece.slice(0, i + 1), piece.slice(i + 1)]).filter(
      (pair) => pair.every((part) => known.has(part)),
    ),
  );
  const added = addedAfter(tokens.length);
  const prepend = { type: "Prepend", prepend: SPACE };
  const replace = { type: "Replace", pattern: { String: " " }, content: SPACE };
  const metaspace = (options: object) => ({
    type: "Metaspace",
    replacement: SPACE,
    split: false,
    ...options,
  });
  const tokenizer = (parts: object, model: object = {}) => ({
    added_tokens: added,
    model: {
      type: "BPE",
      byte_fallback: true,
      unk_token: "<unk>",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
      ...model,
    },
    ...parts,
  });
  /** @param space whether a text gets a space in front: "missing" means unless it begins with one. */
  const expected = (space: boolean | "missing") => (text: string) =>
    text === ""
      ? []
      : joinPairs(
          [
            ...`${space === true || (space === "missing" && !text.startsWith(" ")) ? " " : ""}${text}`.replaceAll(
              " ",
              SPACE,
            ),
          ],
          merges,
        ).flatMap((piece) =>
          known.has(piece)
            ? [tokens.indexOf(piece)]
            : [...Buffer.from(piece)].map((byte) => tokens.indexOf(byteTokens[byte] as string)),
        );

  test.each<[string, object, boolean | "missing"]>([
    ["llama 2", { normalizer: { type: "Sequence", normalizers: [prepend, replace] } }, true],
    ["gemma", { normalizer: replace, pre_tokenizer: { type: "Split", pattern: { String: " " } } }, false],
    ["mistral", { pre_tokenizer: metaspace({ prepend_scheme: "first" }) }, "missing"],
    ["a tokenizer that prepends no space", { pre_tokenizer: metaspace({ prepend_scheme: "never" }) }, false],
  ])("like that of %s give the same tokens as the original", async (_, parts, space) => {
    const path = await convertTinyModel(tokenizer(parts));
    await expectTokens(path, expected(space));
    await withModel(path, async (model) => {
      const { encode } = textEncoderOf(model);
      expect(encode("<|begin|><tool>")).toEqual([tokens.length, tokens.length + 2]);
      expect(model.detokenize(encode("the ther\n日本🙂") as Token[])).toBe("the ther\n日本🙂");
    });
  });

  const pieces: Piece[] = tokens.map((text) => ({
    text,
    score: -joined.indexOf(text),
    type: text === "<unk>" ? 2 : byteTokens.includes(text) ? 6 : 1,
  }));
  const fromFile = async (file: Buffer) => {
    const decoder = Object.fromEntries(added.map(({ id, ...token }) => [id, token]));
    const source = await mkdtemp(join(folder, "model-"));
    await writeTinyModel(source, {
      config: { vocab_size: 400 },
      tokenizerConfig: { added_tokens_decoder: decoder },
    });
    await rm(join(source, "tokenizer.json"));
    await writeFile(join(source, "tokenizer.model"), file);
    return convert(source);
  };

  test("are read from tokenizer.model when there is no tokenizer.json", async () => {
    for (const prependsSpace of [true, false]) {
      const path = await fromFile(sentencePieceFile(pieces, { prependsSpace }));
      await expectTokens(path, expected(prependsSpace));
    }
  });

  test.each<[string, SentencePieceOptions, RegExp]>([
    ["of a kind other than BPE", { modelType: 1 }, /kind other than BPE/],
    ["that remove extra spaces", { removesSpaces: true }, /removes extra spaces/],
    ["that replace characters", { characterMap: Buffer.alloc(8) }, /changes characters/],
  ])("%s are refused", async (_, options, reason) => {
    await expect(fromFile(sentencePieceFile(pieces, options))).rejects.toThrow(reason);
  });

  test("in a damaged file are refused or read, and no other kind of error occurs", async () => {
    const whole = sentencePieceFile(pieces);
    await expect(fromFile(whole.subarray(0, 100))).rejects.toThrow("tokenizer.model: is damaged.");
    await expect(fromFile(Buffer.alloc(40, 0xff))).rejects.toThrow("tokenizer.model: is damaged.");
    await expect(fromFile(sentencePieceFile([...pieces, { text: "x", score: 0, type: 9 }]))).rejects.toThrow(
      /unknown type/,
    );
    await expect(fromFile(sentencePieceFile(pieces.slice(20)))).rejects.toThrow(
      /the token "<0x\w\w>" is missing/,
    );
  });

  test.each<[string, unknown, RegExp]>([
    [
      "merge pieces that are not in the vocabulary",
      tokenizer({ normalizer: replace }, { merges: [["Q", "Q"]] }),
      /not of the vocabulary/,
    ],
    [
      "replace spaces by another character",
      tokenizer({ normalizer: { ...replace, content: "_" } }),
      /must replace spaces by "▁"/,
    ],
    ["don't replace spaces", tokenizer({}), /normalizer must replace spaces/],
    ["normalise text", tokenizer({ normalizer: { type: "NFKC" } }), /normalizer that is not supported/],
    [
      "split text",
      tokenizer({ pre_tokenizer: { type: "Punctuation" } }),
      /pre_tokenizer that is not supported/,
    ],
  ])("that %s are refused", async (_, broken, reason) => {
    await expect(convertTinyModel(broken)).rejects.toThrow(reason);
  });
});

describe("the converted tokenizer", () => {
  const edited = async (
    file: string,
    change: Record<string, unknown>,
    tokenizer: Record<string, unknown> = {},
  ) => {
    const source = await mkdtemp(join(folder, "model-"));
    await writeTinyModel(source);
    await editJson(source, "tokenizer_config.json", { add_bos_token: undefined });
    await editJson(source, "tokenizer.json", tokenizer);
    if (file === "generation_config.json") await writeJson(source, file, change);
    else await editJson(source, file, change);
    await convert(source);
    return readMetadata();
  };
  const token = (found: ReadonlyMap<string, GgufValue>, kind: string) =>
    found.get(`tokenizer.ggml.${kind}_token_id`);

  test("takes start and end tokens from the configuration, given as text, as an object or as an id", async () => {
    const texts = await edited("tokenizer_config.json", {
      bos_token: { content: "<|end|>" },
      pad_token: "!",
    });
    expect([token(texts, "bos"), token(texts, "eos"), token(texts, "padding")]).toEqual([267, 267, 33]);
    const ids = await edited("tokenizer_config.json", { bos_token: null, eos_token: null }).catch(String);
    expect(ids).toMatch(/config\.json: eos_token_id is missing: nothing would end a reply/);
    await expect(edited("tokenizer_config.json", { eos_token: "<none>" })).rejects.toThrow(
      /eos_token is not in the vocab/,
    );
  });

  test("has any number of tokens that end a response", async () => {
    const found = await edited("generation_config.json", { eos_token_id: [267, 5, 6, 7, 8, 999_999] });
    expect([token(found, "eos"), token(found, "eot"), token(found, "eom")]).toEqual([267, 5, 6]);
    await withModel(join(folder, "model.gguf"), async (model) => {
      expect([...textEncoderOf(model).endTokens].sort()).toEqual([267, 5, 6, 7, 8].sort());
    });
    await expect(edited("generation_config.json", { eos_token_id: "<|end|>" })).rejects.toThrow(
      /must be a token id/,
    );
  });

  test("has no unknown token where its text is empty", async () => {
    const found = await edited("tokenizer_config.json", { unk_token: "", bos_token: { content: "" } });
    expect([token(found, "unknown"), token(found, "bos")]).toEqual([undefined, 267]);
  });

  test("leaves out a padding token beyond the model's vocabulary, and no other token", async () => {
    const added = [
      { id: 266, content: "<|begin|>", special: true },
      { id: 267, content: "<|end|>", special: true },
    ];
    const beyond = { id: 288, content: "<pad>", special: true };
    const filler = Array.from({ length: 20 }, (_, n) => ({ id: 268 + n, content: `<${n}>`, special: true }));
    const all = { added_tokens: [...added, ...filler, beyond] };
    const found = await edited("tokenizer_config.json", { pad_token: "<pad>" }, all);
    expect(token(found, "padding")).toBeUndefined();
    await withModel(join(folder, "model.gguf"), async (model) => {
      const { encode } = textEncoderOf(model);
      expect(encode("<pad>")).toEqual(encode("<p").concat(encode("ad>")));
    });
    await expect(edited("tokenizer_config.json", {}, all)).rejects.toThrow(/token id 288; .* has 288 tokens/);
  });

  test("reads special tokens as plain text within plain ranges alone", async () => {
    await edited("config.json", {});
    await withModel(join(folder, "model.gguf"), async (model) => {
      const { encode } = textEncoderOf(model);
      const text = "<|end|>a<|end|>b<|end|>";
      const tokens = encode(text, [[8, 15]]);
      expect(tokens.filter((id) => id === 267)).toHaveLength(2);
      expect(model.detokenize(tokens as Token[], true)).toBe(text);
    });
  });

  test("adds the start token when the configuration or the tokenizer says so", async () => {
    const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
    const text = { Sequence: { id: "A", type_id: 0 } };
    const around = (...single: unknown[]) => ({
      post_processor: {
        type: "Sequence",
        processors: [{ type: "ByteLevel" }, { type: "TemplateProcessing", single }],
      },
    });
    const adds = (found: ReadonlyMap<string, GgufValue>) => [
      found.get("tokenizer.ggml.add_bos_token"),
      found.get("tokenizer.ggml.add_eos_token"),
    ];
    expect(adds(await edited("config.json", {}))).toEqual([false, false]);
    expect(adds(await edited("config.json", {}, around(special("<|begin|>"), text)))).toEqual([true, false]);
    expect(adds(await edited("config.json", {}, around(text, special("<|end|>"))))).toEqual([false, true]);
    expect(adds(await edited("tokenizer_config.json", { add_bos_token: true }))).toEqual([true, false]);
    const off = await edited(
      "tokenizer_config.json",
      { add_bos_token: false },
      around(special("<|begin|>"), text),
    );
    expect(adds(off)).toEqual([false, false]);
  });

  test("gives every id without a token a unique text", async () => {
    const tokens = (await edited("config.json", {})).get("tokenizer.ggml.tokens") as string[];
    expect(tokens).toHaveLength(288);
    expect(new Set(tokens).size).toBe(288);
  });

  test("takes the default of several chat templates, and chat_template.jinja before all others", async () => {
    const several = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "plain" },
    ];
    expect(
      (await edited("tokenizer_config.json", { chat_template: several })).get("tokenizer.chat_template"),
    ).toBe("plain");
    const source = await mkdtemp(join(folder, "model-"));
    await writeTinyModel(source);
    await writeFile(join(source, "chat_template.jinja"), "from the file");
    await convert(source);
    expect((await readMetadata()).get("tokenizer.chat_template")).toBe("from the file");
    await writeFile(join(source, "chat_template.jinja"), " ".repeat(2 ** 20 + 1));
    await expect(convert(source)).rejects.toThrow(/^chat_template\.jinja: is larger than/);
  });
});
