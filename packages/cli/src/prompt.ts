import { CliError, Interrupted } from "./errors.ts";
import type { ProcessContext } from "./process-context.ts";

/** The longest line that is read. */
const MAX_CHARS = 8_192;
const KEYS = { enter: /[\r\n]/, interrupt: "\u0003", end: "\u0004", erase: /[\b\u007f]/, line: "\u0015" };

/**
 * Reads a secret: in a terminal it asks and shows stars; otherwise it reads the first line of standard input.
 * @throws Interrupted on Ctrl-C; CliError when there is nothing to read
 */
export async function readSecret(processContext: ProcessContext, question: string): Promise<string> {
  const { stdin, stderr } = processContext;
  const secret = stdin.isTTY ? await readKeys(processContext, question) : await readLine(stdin);
  if (secret !== "") return secret;
  if (stdin.isTTY) await stderr.write("\n");
  throw new CliError(
    "No API key was given.",
    "Run the command again, or pipe the key: firectl signin < key-file.",
  );
}

async function readLine(stdin: NodeJS.ReadStream): Promise<string> {
  let text = "";
  stdin.setEncoding("utf8");
  for await (const chunk of stdin) {
    text += chunk;
    if (text.includes("\n") || text.length > MAX_CHARS) break;
  }
  return (text.split("\n")[0] as string).trim();
}

async function readKeys({ stdin, stderr, signal }: ProcessContext, question: string): Promise<string> {
  // Raw mode comes first, so that the terminal doesn't echo keys typed before the question.
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  try {
    await stderr.write(question);
    return await new Promise<string>((resolve, reject) => {
      let secret = "";
      const interrupted = (): void => reject(new Interrupted());
      signal.addEventListener("abort", interrupted, { once: true });
      stdin.on("end", () => resolve(secret));
      stdin.on("data", (keys: string) => {
        for (const key of keys) {
          if (key === KEYS.interrupt) return interrupted();
          if (KEYS.enter.test(key) || key === KEYS.end) return resolve(secret.trim());
          secret = KEYS.erase.test(key)
            ? secret.slice(0, -1)
            : key === KEYS.line
              ? ""
              : (secret + key).slice(0, MAX_CHARS);
        }
        void stderr.write(`\r\u001b[K${question}${"*".repeat(Math.min(secret.length, 20))}`);
      });
    });
  } finally {
    stdin.removeAllListeners("data");
    stdin.setRawMode(false);
    stdin.pause();
    await stderr.write("\n");
  }
}
