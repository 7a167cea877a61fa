import type { EngineModelInfo } from "../../engine/engine.ts";
import { badRequest } from "../../lib/errors.ts";
import type { CompiledGrammar } from "../../structured-output/compiled-grammar.ts";
import type { PromptPlanRequest } from "../text/operation.ts";
import { ChatOutputParser } from "../text/output-parser.ts";
import { maxTokensOf, stopsOf } from "../text/parameters.ts";
import type { PromptPlan } from "../text/prompt-plan.ts";
import {
  closingText,
  emptyThinkBlock,
  endsWithinReasoning,
  promptOpensReasoning,
  type ReasoningFormat,
  reasoningMarkers,
  selectReasoningFormat,
} from "../text/reasoning/formats.ts";
import {
  applyReasoningHistory,
  checkHistoryRendered,
  reasoningHistoryVariables,
} from "../text/reasoning/history.ts";
import { ReasoningInContent } from "../text/reasoning/reasoning-in-content.ts";
import { parseReasoningSettings } from "../text/reasoning/settings.ts";
import { ReasoningSplitter } from "../text/reasoning/splitter.ts";
import { compileOutputConstraint } from "../text/response-format.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import { refuseStopInConstraint } from "../text/stop-in-constraint.ts";
import { type ChatTemplate, createChatTemplate } from "../text/template/chat-template.ts";
import { toolCallConstraint } from "../text/tool-call-constraint.ts";
import type { ConversationMessage } from "../text/tools/conversation.ts";
import { parseToolRequest, type ToolRequest } from "../text/tools/definitions.ts";
import type { JsonObject } from "../text/tools/json-limits.ts";
import { functionsText, type TemplateMessage, toTemplateInput } from "../text/tools/template-messages.ts";
import { ToolCallStreamParser } from "../text/tools/tool-call-stream-parser.ts";
import {
  type SelectedToolFormat,
  selectToolFormat,
  syntaxesOf,
  toolCallMarkers,
} from "../text/tools/tool-call-syntax.ts";
import { parseFinalTurn, renderUpToLastText } from "./final-turn.ts";
import { planRemoteTemplate } from "./plan-remote-template.ts";
import { type ChatCompletionRequest, toConversation } from "./protocol.ts";
import { renderSafely, type SafePrompt, upToLastText } from "./safe-tokenization.ts";
import { countTokens, dropOldestMessages } from "./truncate.ts";

/** The features of a model that its chat template shows. */
interface TemplateTraits {
  template: ChatTemplate;
  tools: SelectedToolFormat;
  /** Null: the model doesn't reason. */
  reasoning: ReasoningFormat | null;
}

/** Templates that are kept for one model; more than it can have LoRAs, which may each bring their own. */
const MAX_TEMPLATES = 256;

/** By the model and the template's source, because LoRAs may bring their own template. */
const templateTraits = new WeakMap<EngineModelInfo, Map<string, TemplateTraits>>();

function templateTraitsOf(model: EngineModelInfo, templateOverride: string | null): TemplateTraits {
  const source = templateOverride ?? model.chatTemplate;
  if (source === null) throw badRequest("model", "This model has no chat template; use completions.");
  let traitsBySource = templateTraits.get(model);
  if (traitsBySource === undefined) {
    traitsBySource = new Map();
    templateTraits.set(model, traitsBySource);
  }
  let traits = traitsBySource.get(source);
  if (traits === undefined) {
    traits = {
      template: createChatTemplate(source, model.bosToken, model.eosToken),
      tools: selectToolFormat(undefined, source),
      reasoning: selectReasoningFormat(undefined, source),
    };
    // Owners may change their templates, so the map would grow without end.
    if (traitsBySource.size >= MAX_TEMPLATES) traitsBySource.clear();
    traitsBySource.set(source, traits);
  }
  return traits;
}

/**
 * Plans the prompt. `reasoning_format: "raw"` puts the reasoning in front of the content.
 * @throws AppError BAD_REQUEST naming the field.
 */
export async function planChatPrompt(request: PromptPlanRequest<ChatCompletionRequest>): Promise<PromptPlan> {
  const plan = await planParsedReasoning(request);
  if (request.body.reasoning_format !== "raw") return plan;
  return { ...plan, createParser: () => new ReasoningInContent(plan.createParser()) };
}

async function planParsedReasoning(request: PromptPlanRequest<ChatCompletionRequest>): Promise<PromptPlan> {
  const { body, replica, chatTemplate, accountId } = request;
  const tools = parseToolRequest(body);
  const conversation = toConversation(body);
  if (replica.capabilities.rendersChat) {
    return await planRemoteTemplate({ body, replica, accountId, conversation, tools });
  }
  const { template, tools: format, reasoning } = templateTraitsOf(replica.model, chatTemplate);
  const settings = parseReasoningSettings(body, {
    reasons: reasoning !== null,
    maxTokens: maxTokensOf(body),
  });
  const withHistory = applyReasoningHistory(conversation, settings.history);
  const finalTurn = parseFinalTurn(body, conversation);
  const variables = {
    ...settings.templateVariables,
    ...reasoningHistoryVariables(settings.history),
    add_generation_prompt: finalTurn === "new",
  };
  const render = async (
    messages: readonly TemplateMessage[],
    toolDefinitions: readonly JsonObject[] | null,
  ): Promise<string> => {
    const prompt = await template.render(messages, {
      ...variables,
      tools: toolDefinitions,
      functions: functionsText(toolDefinitions),
    });
    const keepsPrompt = reasoning === null || settings.enabled || finalTurn !== "new";
    return keepsPrompt ? prompt : prompt + emptyThinkBlock(prompt, reasoning);
  };
  const renderConversation = async (part: readonly ConversationMessage[]): Promise<SafePrompt> => {
    const { messages, tools: toolDefinitions } = toTemplateInput(format, part, tools);
    const renderMessages = (given: readonly TemplateMessage[]) => render(given, toolDefinitions);
    if (body.safe_tokenization) {
      const safe = await renderSafely(messages, renderMessages);
      return finalTurn === "continued" ? upToLastText(safe) : safe;
    }
    if (finalTurn === "continued") {
      return { text: await renderUpToLastText(messages, renderMessages), plain: [] };
    }
    return { text: await renderMessages(messages), plain: [] };
  };
  const limit = body.prompt_truncate_len;
  // Safe tokenization is a security setting, so it takes precedence over truncation, which can't be combined with it.
  const included =
    limit == null || body.safe_tokenization
      ? withHistory
      : await dropOldestMessages(withHistory, limit, async (part) =>
          countTokens(replica, (await renderConversation(part)).text, limit),
        );
  const { text: prompt, plain } = await renderConversation(included);
  checkHistoryRendered(prompt, included, settings.history);
  const opened =
    reasoning !== null &&
    (promptOpensReasoning(prompt, reasoning) ||
      (finalTurn === "continued" && endsWithinReasoning(included.at(-1)!.content, reasoning)));
  const constraint = await compileChatConstraint({ body, tools, format, accountId });
  // A text that is continued has its reasoning behind it, unless it ends within the think block.
  const isContinued = finalTurn === "continued";
  const thinks = reasoning !== null && settings.enabled && (!isContinued || opened);
  const markers = [
    ...(thinks ? reasoningMarkers(reasoning) : []),
    ...(tools === null ? [] : toolCallMarkers(format.format)),
  ];
  return {
    // A template writes the start token itself when the model needs one.
    inputs: [
      {
        kind: "text",
        text: prompt,
        addBos: false,
        ...(plain.length > 0 ? { plain } : {}),
      },
    ],
    promptFragments: included.map(({ content }) => content),
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
    ...(markers.length > 0 ? { markers } : {}),
    responseHeaders: schemaWarningHeaders(constraint),
    createParser: () =>
      new ChatOutputParser(
        thinks ? new ReasoningSplitter(reasoning, opened) : null,
        tools === null ? null : createToolCallParser(tools, format),
      ),
  };
}

/** The constraint of the output: the request's schema or grammar, or the syntax of tool calls. Null: unconstrained. */
async function compileChatConstraint({
  body,
  tools,
  format,
  accountId,
}: {
  body: ChatCompletionRequest;
  tools: ToolRequest | null;
  format: SelectedToolFormat;
  accountId: string;
}): Promise<CompiledGrammar | null> {
  const constraint = await compileOutputConstraint(body, accountId);
  const stops = stopsOf(body);
  if (tools === null) {
    await refuseStopInConstraint({ constraint, stops, accountId });
    return constraint;
  }
  if (constraint !== null) {
    throw badRequest(
      "response_format",
      "response_format can't be combined with tools; set tool_choice to none.",
    );
  }
  // When the model may choose, only a strict tool needs a grammar.
  if (tools.choice.kind === "auto" && !tools.tools.some((tool) => tool.strict)) return null;
  const calls = await toolCallConstraint(tools, format.format.syntax, accountId);
  // Where the model may write text, a stop is likelier to be about the text.
  if (tools.choice.kind !== "auto") await refuseStopInConstraint({ constraint: calls, stops, accountId });
  return calls;
}

function createToolCallParser(tools: ToolRequest, { format }: SelectedToolFormat): ToolCallStreamParser {
  return new ToolCallStreamParser({
    syntaxes: syntaxesOf(format),
    names: tools.tools.map((tool) => tool.name),
    // The output of a forced call follows the grammar from its first character.
    constrained: tools.choice.kind !== "auto",
    parallel: tools.parallel,
  });
}
