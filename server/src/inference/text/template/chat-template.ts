import { systemClock } from "../../../lib/clock.ts";
import { badRequest } from "../../../lib/errors.ts";
import { strftime } from "../../../lib/jinja/strftime.ts";
import { JobLimitError, JobProcess } from "../../../platform/process/job-process.ts";
import type { TemplateMessage } from "../tools/template-messages.ts";
import type { RenderJob, RenderResult } from "./render-job.ts";

/** Most CPU time of one rendering. Users upload templates with their models, so a template may loop forever and block the others. */
const CPU_LIMIT_MS = 2_000;
const MAX_QUEUED = 1_000;

function createRenderer(): JobProcess<RenderJob, RenderResult> {
  return new JobProcess({
    clock: systemClock,
    entry: new URL("./render-worker.ts", import.meta.url),
    work: "Prompts are rendered",
    cpuLimitMs: CPU_LIMIT_MS,
    maxQueued: MAX_QUEUED,
  });
}

const renderer = createRenderer();
/** Renders the templates that once exceeded a limit, so that they delay only each other. */
const quarantine = createRenderer();

export interface ChatTemplate {
  /**
   * The prompt for these messages, up to the start of the assistant's turn unless `add_generation_prompt` is false.
   * @param variables further variables of the template.
   * @throws AppError BAD_REQUEST naming `messages` and the template's own reason, or `model` when the template can't be parsed.
   */
  render(messages: readonly TemplateMessage[], variables: Readonly<Record<string, unknown>>): Promise<string>;
}

/** A model's Jinja chat template, rendered in another process. */
export function createChatTemplate(source: string, bosToken: string, eosToken: string): ChatTemplate {
  let worker = renderer;
  return {
    async render(messages, variables) {
      const nowMs = systemClock.now();
      const job: RenderJob = {
        source,
        variables: {
          add_generation_prompt: true,
          ...variables,
          messages,
          bos_token: bosToken,
          eos_token: eosToken,
          datetime: strftime(new Date(nowMs), "%Y-%m-%d %H:%M:%S"),
        },
        nowMs,
      };
      const result = await worker.run(job).catch((error: unknown) => {
        if (!(error instanceof JobLimitError)) throw error;
        worker = quarantine;
        throw badRequest("messages", "The model's chat template takes too long with these messages.");
      });
      if ("prompt" in result) return result.prompt;
      switch (result.problem) {
        case "broken":
          throw badRequest(
            "model",
            `The model's chat template is not valid Jinja (${result.reason}); use completions.`,
          );
        case "raised":
          throw badRequest("messages", `The model's chat template refuses these messages: ${result.reason}`);
        case "failed":
          throw badRequest(
            "messages",
            `The model's chat template does not accept these messages: ${result.reason}`,
          );
        case "too-long":
          throw badRequest("messages", "The rendered prompt is too long.");
      }
    },
  };
}

/** Starts the rendering process ahead of the first request. */
export function startTemplateRenderer(): void {
  renderer.start();
}
