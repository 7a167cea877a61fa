/** The source is no valid template. */
export class TemplateSyntaxError extends Error {}

/** Rendering failed: Python's Jinja2 fails on the same input. */
export class TemplateError extends Error {
  /** The template refused its input with `raise_exception`; the message is the template's own. */
  readonly raised: boolean;

  constructor(message: string, raised = false) {
    super(message);
    this.raised = raised;
  }
}
