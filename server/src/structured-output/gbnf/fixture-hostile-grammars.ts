const lines = (count: number, line: (i: number) => string, separator = "\n"): string =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);
const char = (codePoint: number): string => String.fromCodePoint(codePoint);
const commonStart = (count: number): string => lines(count, (i) => `"a common start ${i}"`, " | ");

/** For tests only: grammars that are made to cost an engine time, memory or its life. Each is refused or served. */
export const HOSTILE_GRAMMARS: ReadonlyMap<string, string> = new Map([
  ["nested counted repetition", "root ::= (([a-z]?){40}){40}"],
  ["nested counted repetition, smaller", 'root ::= (([a-z]?){20}){20} "!"'],
  ["counted repetition of something optional, too large", 'root ::= ("x"?){2000}'],
  ["counted repetition of something optional", 'root ::= ("x"?){990} "!"'],
  ["three levels of repetition", 'root ::= ((([a-z]{0,9} ){0,9}){0,9}) "!"'],
  ["the longest repetition", 'root ::= "x"{0,2000}'],
  ["a long optional tail", 'root ::= ([a-z ]?){60} "!"'],
  ["loops in a loop", "root ::= ([ -~]* [ -~]* [ -~]*)* [\\u00e9]"],
  ["eight loops in a row", "root ::= a* a* a* a* a* a* a* a* [\\u00e9]\na ::= [ -~]"],
  ["one text read in many ways", 'root ::= (" " | "  " | "   " | "    ")+ "!"'],
  ["early ambiguity", 'root ::= s\ns ::= [a-z] s "a" | [a-z] s "b" | "!"'],
  ["late ambiguity", 'root ::= [a-z ]{60} s\ns ::= [a-z ] s "a" | [a-z ] s "b" | "!"'],
  ["ambiguity behind a long text", 'root ::= [a-z ]{0,400} ([a-z ]? [a-z ]?){40} "!"'],
  ["palindromes", 'root ::= "a" root "a" | "b" root "b" | " " root " " | "!"'],
  ["two recursions", 'root ::= "(" root ")" root | [a-z]?'],
  ["thousands of alternatives with a common start", `root ::= ${commonStart(5_000)}`],
  ["hundreds of alternatives with a common start", `root ::= ${commonStart(900)}`],
  ["alternatives with a common start, repeated", `root ::= (${commonStart(900)})*`],
  ["alternatives with a common start, late", `root ::= "x" [a-z]{3} (${commonStart(3_000)})`],
  ["a chain of 10,000 rules", `root ::= r0\n${lines(9_998, (i) => `r${i} ::= r${i + 1}`)}\nr9998 ::= "x"`],
  [
    "a chain of 10,000 characters",
    `root ::= r0\n${lines(9_998, (i) => `r${i} ::= "a" r${i + 1}`)}\nr9998 ::= "x"`,
  ],
  [
    "a chain of optional items",
    `root ::= r0\n${lines(900, (i) => `r${i} ::= [a-z]? r${i + 1}`)}\nr900 ::= "x"`,
  ],
  ["doubling rules", `root ::= r0\n${lines(40, (i) => `r${i} ::= r${i + 1} r${i + 1}`)}\nr40 ::= "x"?`],
  ["a class of 60,000 ranges", `root ::= [${lines(60_000, (i) => char(0x20000 + i * 2), "")}]+`],
  [
    "a class of 30,000 ranges without them",
    `root ::= [^${lines(30_000, (i) => char(0x20000 + i * 2), "")}]+`,
  ],
  [
    "hundreds of classes that overlap",
    `root ::= (${lines(300, (i) => `[^${char(0x20000 + i)}]`, " | ")})+ [\\u00e9]`,
  ],
  ["deep groups", `root ::= ${"(".repeat(99)}"a"${")".repeat(99)}`],
  ["a literal of 199,000 characters", `root ::= "${"a".repeat(199_000)}"`],
  ["no end", 'root ::= "a" root'],
  ["left recursion", 'root ::= root "a" | "b"'],
]);
