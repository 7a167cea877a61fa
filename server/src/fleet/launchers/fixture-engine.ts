/** Run by the tests as an engine process: carries out the commands that come through the channel. */
interface Command {
  type: string;
  id?: number;
  text?: string;
}

const handlers: Record<string, (command: Command) => void> = {
  echo: (command) => process.send?.(command),
  env: () => process.send?.(process.env),
  print: ({ text }) => process.stdout.write(`${text}\n`),
  exit: () => process.exit(7),
  hang: () => {
    for (;;);
  },
  /** Sends one delta. The text `hold` keeps the request open; `wait N` ends the request N milliseconds later. */
  generate({ id, text = "" }) {
    process.send?.({ type: "delta", id, text });
    const waitMs = /^wait (\d+)$/.exec(text)?.[1];
    const end = () => process.send?.({ type: "end", id });
    if (waitMs !== undefined) setTimeout(end, Number(waitMs));
    else if (text !== "hold") end();
  },
  finish: ({ id }) => process.send?.({ type: "end", id }),
};

process.on("message", (command: Command) => handlers[command.type]?.(command));
process.send?.({ type: "hello" });
