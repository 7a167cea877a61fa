/**
 * The regular expressions that cut texts into pieces, rewritten for JavaScript so that they match what they match in the
 * `tokenizers` library.
 */
import type { PatternName } from "./types.ts";

/** Letters, digits and marks of Unicode 17. The library knows Unicode 16, where they are unassigned. */
const SINCE_17 = [
  String.raw`\u{88f}\u{c5c}\u{cdc}\u{1acf}-\u{1add}\u{1ae0}-\u{1aeb}\u{a7ce}-\u{a7cf}\u{a7d2}\u{a7d4}\u{a7f1}`,
  String.raw`\u{10940}-\u{10959}\u{10ec5}-\u{10ec7}\u{10efa}-\u{10efb}\u{11b60}-\u{11b67}\u{11db0}-\u{11ddb}`,
  String.raw`\u{11de0}-\u{11de9}\u{16ea0}-\u{16eb8}\u{16ebb}-\u{16ed3}\u{16ff2}-\u{16ff6}\u{187f8}-\u{187ff}`,
  String.raw`\u{18d09}-\u{18d1e}\u{18d80}-\u{18df2}\u{1e6c0}-\u{1e6de}\u{1e6e0}-\u{1e6f5}\u{1e6fe}-\u{1e6ff}`,
  String.raw`\u{2b73a}-\u{2b73f}\u{2cea2}-\u{2cead}\u{323b0}-\u{33479}`,
].join("");

/** A class without the characters that the library does not know. */
function known(members: string, without = ""): string {
  return `[[${members}]--[${SINCE_17}${without}]]`;
}

/** The classes of characters in the library's patterns. Unicode 17 moved U+0295 from Ll to Lo. */
const CLASSES: Readonly<Record<string, string>> = {
  "\\p{L}": known("\\p{L}"),
  "\\p{N}": known("\\p{N}"),
  "\\p{M}": known("\\p{M}"),
  "\\p{Lu}": known("\\p{Lu}"),
  "\\p{Ll}": known("\\p{Ll}\\u{295}"),
  "\\p{Lt}": known("\\p{Lt}"),
  "\\p{Lm}": known("\\p{Lm}"),
  "\\p{Lo}": known("\\p{Lo}", "\\u{295}"),
  // JavaScript's \s has U+FEFF and lacks U+0085.
  "\\s": "\\p{White_Space}",
  "\\S": "\\P{White_Space}",
  "/": "\\/",
  // Node 20 lacks groups that ignore case. The long s is another case of s.
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)": "(?:'(?:[sS\\u{17f}tTmMdD]|[rRvV][eE]|[lL][lL]))",
};
const CLASS = /\\p\{\w+\}|\\s|\\S|\/|\(\?i:[^)]*\)/g;

const WORDS_3_DIGITS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CASED_WORDS =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+SUFFIX|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*SUFFIX|DIGITS| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** As `tokenizer.json` writes them. */
const SOURCES: Readonly<Record<PatternName, string>> = {
  "gpt-2": "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "words-3-digits": WORDS_3_DIGITS,
  "words-1-digit": WORDS_3_DIGITS.replace("{1,3}", ""),
  "cased-words": CASED_WORDS.replaceAll("SUFFIX", "").replace("DIGITS", "\\p{N}"),
  "cased-words-3-digits": CASED_WORDS.replaceAll("SUFFIX", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace(
    "DIGITS",
    "\\p{N}{1,3}",
  ),
};

/** The name of a pattern of `tokenizer.json`; null for an unknown one. */
export function patternName(source: string): PatternName | null {
  const names = Object.keys(SOURCES) as PatternName[];
  return names.find((name) => SOURCES[name] === source) ?? null;
}

export function isPatternName(name: string): name is PatternName {
  return Object.hasOwn(SOURCES, name);
}

/** A new regular expression, because each one keeps its own position. */
export function patternOf(name: PatternName): RegExp {
  return new RegExp(
    SOURCES[name].replace(CLASS, (text) => CLASSES[text] as string),
    "gv",
  );
}

/** One digit of any script, fractions and Roman numerals included. */
export const DIGIT = new RegExp(CLASSES["\\p{N}"] as string, "v");
export const WHITE_SPACE = /\p{White_Space}/u;
/** A character of words: the `\w` of the library's matcher of added tokens. */
export const WORD_CHARACTER = new RegExp(known("\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}"), "v");
