import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
        expect([...model.tokenize(text, true)]).toEqual(expected(text));
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

const added = [
  { id: 300, content: "<|begin|>", special: true },
  { id: 301, content: "<|end|>", special: true },
  { id: 302, content: "<tool>", special: false },
];

describe("a byte-level BPE tokenizer", () => {
  const merges = ["t h", "h e", "i n", "th e", "Ġ the", "the r", "in g", "1 2", "Ã ©"].map((pair) =>
    pair.split(" "),
  );
  /** No merge produces the last token. */
  const tokens = [...byteLetters(), ...merges.map((pair) => pair.join("")), "zq"];

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
        expect([...model.tokenize("!<|end|>!<tool>", true)]).toEqual([
          tokens.indexOf("!"),
          301,
          tokens.indexOf("!"),
          302,
        ]);
      });
    },
  );

  test.each<[string, unknown, RegExp]>([
    [
      "splits text with an unknown pattern",
      tokenizer(split("\\s+")),
      /pre_tokenizer cuts texts in a way that is not supported/,
    ],
    ["has no ByteLevel step", tokenizer({ type: "Whitespace" }), /pre_tokenizer must end with ByteLevel/],
    [
      "puts a space in front",
      tokenizer(bytes({ add_prefix_space: true })),
      /add_prefix_space true is not supported/,
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
  const expected = (space: boolean) => (text: string) =>
    text === ""
      ? []
      : joinPairs([...`${space ? " " : ""}${text}`.replaceAll(" ", SPACE)], merges).flatMap((piece) =>
          known.has(piece)
            ? [tokens.indexOf(piece)]
            : [...Buffer.from(piece)].map((byte) => tokens.indexOf(byteTokens[byte] as string)),
        );

  test.each<[string, object, boolean]>([
    ["llama 2", { normalizer: { type: "Sequence", normalizers: [prepend, replace] } }, true],
    ["gemma", { normalizer: replace, pre_tokenizer: { type: "Split", pattern: { String: " " } } }, false],
    ["mistral", { pre_tokenizer: metaspace({ prepend_scheme: "first" }) }, true],
    ["a tokenizer that prepends no space", { pre_tokenizer: metaspace({ prepend_scheme: "never" }) }, false],
  ])("like that of %s give the same tokens as the original", async (_, parts, space) => {
    const path = await convertTinyModel(tokenizer(parts));
    await expectTokens(path, expected(space));
    await withModel(path, async (model) => {
      expect([...model.tokenize("<|begin|><tool>", true)]).toEqual([300, 302]);
      expect(model.detokenize(model.tokenize("the ther\n日本🙂", true))).toBe("the ther\n日本🙂");
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
      "lack a possible merge",
      tokenizer({ normalizer: replace }, { merges: merges.slice(0, -1) }),
      /a pair of pieces is missing/,
    ],
    [
      "rank a piece twice",
      tokenizer({ normalizer: replace }, { merges: [...merges, merges[0]] }),
      /two ranks/,
    ],
    [
      "merge pieces that are not in the vocabulary",
      tokenizer({ normalizer: replace }, { merges: [["Q", "Q"]] }),
      /not of the vocabulary/,
    ],
    ["don't replace spaces", tokenizer({}), /normalizer must replace spaces/],
    ["normalise text", tokenizer({ normalizer: { type: "NFKC" } }), /normalizer that is not supported/],
    [
      "split text",
      tokenizer({ pre_tokenizer: metaspace({ split: true }) }),
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

  test("has up to three tokens that end a response", async () => {
    const found = await edited("generation_config.json", { eos_token_id: [267, 5, 6, 999_999] });
    expect([token(found, "eos"), token(found, "eot"), token(found, "eom")]).toEqual([267, 5, 6]);
    await expect(edited("generation_config.json", { eos_token_id: [4, 5, 6] })).rejects.toThrow(
      /more than 3 tokens/,
    );
    await expect(edited("generation_config.json", { eos_token_id: "<|end|>" })).rejects.toThrow(
      /must be a token id/,
    );
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
