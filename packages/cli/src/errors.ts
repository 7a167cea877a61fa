/** Exit codes, as `docs/firectl.md` lists them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** An error that the user can fix. */
export class CliError extends Error {
  /** The next step for the user, as a sentence. */
  readonly next: string | undefined;
  readonly exitCode: number;

  constructor(message: string, next?: string, exitCode: number = EXIT.failed) {
    super(message);
    this.next = next;
    this.exitCode = exitCode;
  }
}

/** The command line is wrong; no request was sent. */
export class UsageError extends CliError {
  constructor(message: string, next?: string) {
    super(message, next, EXIT.usage);
  }
}

/** Ctrl-C. `next` says how to resume, or how to watch work that continues on the host. */
export class Interrupted extends CliError {
  constructor(next?: string) {
    super("Interrupted.", next, EXIT.interrupted);
  }
}
