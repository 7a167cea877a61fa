const WIDTH = 30;

/** Where the bar is drawn: a terminal redraws one line, anything else gets a line for each tenth. */
export interface Terminal {
  isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** Draws how far a download is. The returned function takes the bytes received and in all. */
export function progressBar(
  label: string,
  terminal: Terminal,
): (receivedBytes: number, totalBytes: number) => void {
  let drawn = -1;
  return (receivedBytes, totalBytes) => {
    const percent = totalBytes === 0 ? 0 : Math.min(100, Math.floor((receivedBytes / totalBytes) * 100));
    const step = terminal.isTTY ? percent : percent - (percent % 10);
    if (step <= drawn) return;
    drawn = step;
    const filled = Math.round((percent / 100) * WIDTH);
    const bar = `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)}`;
    const line = `${label} ${bar} ${String(percent).padStart(3)} % of ${(totalBytes / 1e6).toFixed(0)} MB`;
    if (terminal.isTTY) terminal.write(`\r${line}${percent === 100 ? "\n" : ""}`);
    else terminal.write(`${line}\n`);
  };
}
