import type { EngineModelInfo } from "../../engine/engine.ts";
import type { ReplicaLease } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import { ChatOutputParser } from "../text/output-parser.ts";
import { maxTokensOf } from "../text/parameters.ts";
import type { PromptPlan } from "../text/prompt-plan.ts";
import {
  closingText,
  emptyThinkBlock,
  promptOpensReasoning,
  type ReasoningFormat,
  selectReasoningFormat,
} from "../text/reasoning/formats.ts";
import {
  applyReasoningHistory,
  checkHistoryRendered,
  reasoningHistoryVariables,
} from "../text/reasoning/history.ts";
import { parseReasoningSettings } from "../text/reasoning/settings.ts";
import { ReasoningSplitter } from "../text/reasoning/splitter.ts";
import { compileOutputConstraint } from "../text/response-format.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import { type ChatTemplate, createChatTemplate } from "../text/template/chat-template.ts";
import { toolCallConstraint } from "../text/tool-call-constraint.ts";
import type { ConversationMessage } from "../text/tools/conversation.ts";
import { parseToolRequest, type ToolRequest } from "../text/tools/definitions.ts";
import { type TemplateMessage, toTemplateInput } from "../text/tools/template-messages.ts";
import { ToolCallStreamParser } from "../text/tools/tool-call-stream-parser.ts";
import { type SelectedToolFormat, selectToolFormat, syntaxesOf } from "../text/tools/tool-call-syntax.ts";
import { planRemoteTemplate } from "./plan-remote-template.ts";
import { type ChatCompletionRequest, toConversation } from "./protocol.ts";
import { renderSafely, type SafePrompt } from "./safe-tokenization.ts";
import { countTokens, dropOldestTurns } from "./truncate.ts";

/** What a model's chat template says about the model; worked out once a model. */
interface TemplateTraits {
  template: ChatTemplate;
  tools: SelectedToolFormat;
  /** Null: the model doesn't reason. */
  reasoning: ReasoningFormat | null;
}

/** By the model and the template: addons bring their own. */
const templateTraits = new WeakMap<EngineModelInfo, Map<string, TemplateTraits>>();

function templateTraitsOf(model: EngineModelInfo, own: string | null): TemplateTraits {
  const { chatTemplate: ofModel, bosToken, eosToken } = model;
  const source = own ?? ofModel;
  if (source === null) throw badRequest("model", "This model has no chat template; use completions.");
  const ofThis = templateTraits.get(model) ?? new Map<string, TemplateTraits>();
  templateTraits.set(model, ofThis);
  let known = ofThis.get(source);
  if (known === undefined) {
    known = {
      template: createChatTemplate(source, bosToken, eosToken),
      tools: selectToolFormat(undefined, source),
      reasoning: selectReasoningFormat(undefined, source),
    };
    // Owners may change their templates: what is not asked for any more has to go at some point.
    if (ofThis.size >= MAX_TEMPLATES) ofThis.clear();
    ofThis.set(source, known);
  }
  return known;
}

/** Of one model: as many as addons fit on it, and then some. */
const MAX_TEMPLATES = 256;

/** @throws AppError BAD_REQUEST naming the field. */
export async function planChatPrompt(
  body: ChatCompletionRequest,
  engine: ReplicaLease,
  ownTemplate: string | null,
): Promise<PromptPlan> {
  const tools = parseToolRequest(body);
  const turns = toConversation(body);
  if (engine.capabilities.rendersChat) return await planRemoteTemplate(body, engine, turns, tools);
  const { template, tools: format, reasoning } = templateTraitsOf(engine.model, ownTemplate);
  const settings = parseReasoningSettings(body, {
    reasons: reasoning !== null,
    maxTokens: maxTokensOf(body),
  });
  const kept = applyReasoningHistory(turns, settings.history);
  const variables = { ...settings.templateVariables, ...reasoningHistoryVariables(settings.history) };
  const render = async (
    messages: readonly TemplateMessage[],
    described: readonly object[] | null,
  ): Promise<string> => {
    const prompt = await template.render(messages, { ...variables, tools: described });
    const silenced = reasoning !== null && !settings.enabled ? emptyThinkBlock(prompt, reasoning) : "";
    return prompt + silenced;
  };
  const show = async (some: readonly ConversationMessage[]): Promise<SafePrompt> => {
    const { messages, tools: described } = toTemplateInput(format, some, tools);
    if (body.safe_tokenization) return renderSafely(messages, (marked) => render(marked, described));
    return { text: await render(messages, described), plain: [] };
  };
  // Cutting a prompt to a length and keeping its texts apart don't go together: the latter is about safety.
  const shown = body.safe_tokenization
    ? kept
    : await truncateConversation(body, engine, kept, async (some) => (await show(some)).text);
  const { text: prompt, plain } = await show(shown);
  checkHistoryRendered(prompt, shown, settings.history);
  const opened = reasoning !== null && promptOpensReasoning(prompt, reasoning);
  const constraint = await compileChatConstraint(body, tools, format);
  const thinks = reasoning !== null && settings.enabled;
  return {
    // A template writes the start token itself where the model wants one.
    inputs: [{ kind: "text", text: prompt, addBos: false, ...(plain.length > 0 ? { plain } : {}) }],
    promptFragments: shown.map((turn) => turn.content),
    ...(constraint === null ? {} : { grammar: constraint.grammar }),
    ...(thinks && (settings.budgetTokens !== null || constraint !== null)
      ? {
          thinking: {
            open: reasoning.open,
            close: closingText(reasoning),
            opened,
            maxTokens: settings.budgetTokens ?? maxTokensOf(body),
          },
        }
      : {}),
    responseHeaders: schemaWarningHeaders(constraint?.unenforced ?? []),
    createParser: () =>
      new ChatOutputParser(
        thinks ? new ReasoningSplitter(reasoning, opened) : null,
        tools === null ? null : createToolCallParser(tools, format),
      ),
  };
}

/** What the output must follow: a schema or grammar of the client's, or the form of a call that is forced. */
async function compileChatConstraint(
  body: ChatCompletionRequest,
  tools: ToolRequest | null,
  format: SelectedToolFormat,
): Promise<{ grammar: string; unenforced: readonly string[] } | null> {
  const constraint = await compileOutputConstraint(body);
  if (tools === null) return constraint;
  if (constraint !== null) {
    throw badRequest(
      "response_format",
      "response_format can't be combined with tools; set tool_choice to none.",
    );
  }
  // A model that may choose is left alone, unless a tool demands that its schema holds.
  if (tools.choice.kind === "auto" && !tools.tools.some((tool) => tool.strict)) return null;
  return toolCallConstraint(tools, format.format.syntax);
}

function createToolCallParser(tools: ToolRequest, { format }: SelectedToolFormat): ToolCallStreamParser {
  return new ToolCallStreamParser({
    syntaxes: syntaxesOf(format),
    names: tools.tools.map((tool) => tool.name),
    // Forced calls follow their grammar from the first character on.
    constrained: tools.choice.kind !== "auto",
    parallel: tools.parallel,
  });
}

async function truncateConversation(
  body: ChatCompletionRequest,
  engine: ReplicaLease,
  turns: readonly ConversationMessage[],
  render: (turns: readonly ConversationMessage[]) => Promise<string>,
): Promise<readonly ConversationMessage[]> {
  const limit = body.prompt_truncate_len;
  if (limit == null) return turns;
  return dropOldestTurns(turns, limit, async (some) => countTokens(engine, await render(some), limit));
}
