/** For tests only: texts that tokenizers cut differently when one of their steps is not exact. */

const PARTS: readonly string[] = [
  [" ", "  ", "   ", "\u00a0", "\u2003", "\u0085", "\ufeff", "\u200b", "\u3000", "\u2028"],
  ["\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", "\v", "\f", "\0", "\u001f"],
  [" ".repeat(7), " ".repeat(17), " ".repeat(33), " ".repeat(140), "\n".repeat(9), "\t".repeat(20)],
  ["the", " the", "The", "THE", "other", "thing", "iPhone", "camelCaseWord", "HTMLParser", "word", "words"],
  ["don't", "DON'T", "we'LL", "it'\u017f", "I'Ve", "'s", "'", "''", "’s", "d'accord"],
  ["1", "12", "1234567", "½", "²", "Ⅷ", "٣٤٥", "१२३", "3.14", "1,000", "0x1F", "𝟘𝟙"],
  [
    "é",
    "e\u0301",
    "caf\u00e9",
    "cafe\u0301",
    "\u0301",
    "n\u0303o",
    "A\u030a",
    "\u212b",
    "ﬁ",
    "ß",
    "ẞ",
    "İ",
    "ı",
  ],
  ["Σίσυφος", "Привет", "мир", "ё", "е\u0308", "שלום", "שָׁלוֹם", "مرحبا", "مَرْحَبًا", "\u0640"],
  ["नमस्ते", "क्षि", "தமிழ்", "สวัสดี", "ພາສາ", "မြန်မာ", "ខ្មែរ", "བོད་"],
  ["日本語", "東京", "カタカナ", "ｶﾞ", "か\u3099", "한국어", "\u1112\u1161\u11ab", "中文。", "，", "𠮷", "㍿"],
  ["🙂", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "🇩🇪", "☃", "©", "™", "∑", "→", "█"],
  ["ǅ", "ʰ", "ʕ", "ª", "Ꙁ", "𝒳", "𐐷", "\ua7f1", "\u{16ea0}", "\u{1e6c0}", "\u{323b0}", "\u{11de0}", "\u088f"],
  [
    "<tool>",
    "<|begin|>",
    "<|end|>",
    "<|",
    "|>",
    "<|beg",
    "<l>",
    "<r>",
    "<both>",
    "<norm>",
    "café<n>",
    "cafe\u0301<n>",
  ],
  ["<s>", "</s>", "<unk>", "<0x0A>", "<0xE3>", "▁", "▁the", "▁▁", "▁▁▁▁", "Ġ", "Ċ"],
  [
    "!",
    "?!",
    "...",
    "/",
    "//",
    "www/ab",
    "_x_y",
    "a_b",
    "#",
    "$x",
    "(a)",
    "[1]",
    "{}",
    "\\n",
    "%20",
    "a@b.c",
    "—",
  ],
  ["\ud800", "\udc00", "\ufffd", "\ufffe", "\u202e", "\u2066", "\u00ad", "\u034f"],
  ["def f(x):\n    return x+1\n", "  if (a) {\n\t\tb();\r\n  }\n\n", '{"a": [1, 2]}', "SELECT *\nFROM t;"],
].flat();

/** A text for each part alone, each part inside a sentence, and some hundred combinations that the seed determines. */
export function nastyTexts(seed = 1): string[] {
  const alone = PARTS.flatMap((part) => [part, `the${part}other`, ` ${part} `]);
  return ["", ...alone, ...randomTexts(seed, 200)];
}

export function randomTexts(seed: number, count: number): string[] {
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random(12) }, () => PARTS[random(PARTS.length)]).join(""),
  );
}

/** Text to train small tokenizers with: every script of the parts, and common words often. */
export function trainingCorpus(): string[] {
  return [...randomTexts(7, 400), ...PARTS, ...PARTS, "the other thing in the house and the word"].map(
    (text) => text.toWellFormed(),
  );
}
