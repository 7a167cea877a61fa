/** Run by the tests as an engine process: does what it is told through the channel. */
interface Told {
  type: string;
  id?: number;
  text?: string;
}

const acts: Record<string, (told: Told) => void> = {
  echo: (told) => process.send?.(told),
  env: () => process.send?.(process.env),
  print: ({ text }) => process.stdout.write(`${text}\n`),
  exit: () => process.exit(7),
  hang: () => {
    for (;;);
  },
  /** One delta for each; the text `hold` keeps the request open, `wait N` ends it N milliseconds later. */
  generate({ id, text = "" }) {
    process.send?.({ type: "delta", id, text });
    const waitMs = /^wait (\d+)$/.exec(text)?.[1];
    const end = () => process.send?.({ type: "end", id });
    if (waitMs !== undefined) setTimeout(end, Number(waitMs));
    else if (text !== "hold") end();
  },
  finish: ({ id }) => process.send?.({ type: "end", id }),
};

process.on("message", (told: Told) => acts[told.type]?.(told));
process.send?.({ type: "hello" });
