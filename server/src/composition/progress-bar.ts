const WIDTH = 30;

/** Where the bar is drawn. On a terminal one line is redrawn; any other output gets a line for each tenth. */
export interface Terminal {
  isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** A progress bar of a download. Call the returned function with the new progress. */
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
