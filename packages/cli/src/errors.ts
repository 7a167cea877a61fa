/** Exit codes, as `docs/firectl.md` lists them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Something that a person can do something about. */
export class CliError extends Error {
  /** What to do next: a sentence. */
  readonly next: string | undefined;
  readonly exitCode: number;

  constructor(message: string, next?: string, exitCode: number = EXIT.failed) {
    super(message);
    this.next = next;
    this.exitCode = exitCode;
  }
}

/** The command line can't be right; nothing was requested. */
export class UsageError extends CliError {
  constructor(message: string, next?: string) {
    super(message, next, EXIT.usage);
  }
}

/** Ctrl-C. What goes on or can be taken up again is in `next`. */
export class Interrupted extends CliError {
  constructor(next?: string) {
    super("Interrupted.", next, EXIT.interrupted);
  }
}
