import { systemClock } from "../../../lib/clock.ts";
import { AppError, badRequest } from "../../../lib/errors.ts";
import { JobLimitError, JobProcess } from "../../../platform/process/job-process.ts";
import type { TemplateMessage } from "../tools/template-messages.ts";
import type { RenderJob, RenderResult } from "./render-job.ts";

/** Templates come with uploaded models, so one that never ends must cost nobody else's request more than this. */
const TIMEOUT_MS = 2_000;
const MAX_QUEUED = 1_000;

const newLane = (): JobProcess<RenderJob, RenderResult> =>
  new JobProcess({
    clock: systemClock,
    entry: new URL("./render-worker.ts", import.meta.url),
    work: "Prompts are rendered",
    timeoutMs: TIMEOUT_MS,
    maxQueued: MAX_QUEUED,
  });
const lanes = { all: newLane(), slow: newLane() };

export interface ChatTemplate {
  /**
   * The prompt for these messages, ending where the assistant's turn begins.
   * @param variables what the template may ask for besides.
   * @throws AppError BAD_REQUEST; INTERNAL when the template itself is broken.
   */
  render(messages: readonly TemplateMessage[], variables: Readonly<Record<string, unknown>>): Promise<string>;
}

/** A model's Jinja chat template. It is rendered in another process; one that once took too long shares it with its like alone. */
export function createChatTemplate(source: string, bosToken: string, eosToken: string): ChatTemplate {
  let lane = lanes.all;
  return {
    async render(messages, variables) {
      const all = {
        ...variables,
        messages,
        add_generation_prompt: true,
        bos_token: bosToken,
        eos_token: eosToken,
      };
      const result = await lane.run({ source, variables: all }).catch((error: unknown) => {
        if (!(error instanceof JobLimitError)) throw error;
        lane = lanes.slow;
        throw badRequest("messages", "The model's chat template takes too long with these messages.");
      });
      if ("prompt" in result) return result.prompt;
      switch (result.problem) {
        case "broken":
          throw new AppError("INTERNAL", "The model's chat template is broken.");
        case "refused":
          throw badRequest("messages", "The model's chat template does not accept these messages.");
        case "too-long":
          throw badRequest("messages", "The rendered prompt is too long.");
      }
    },
  };
}

/** Starts what renders, so that no request waits for it. */
export function startTemplateRenderer(): void {
  lanes.all.start();
}
