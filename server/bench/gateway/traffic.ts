/** The traffic of the gateway benchmark: one chat request, its unstreamed and its streamed response. */

export const MODEL = "accounts/local/models/mock";
export const STREAM_CHUNKS = 64;

/** A chat request of about 760 bytes. */
export function chatBody(stream: boolean): string {
  const system =
    "You are a careful assistant that answers questions about the products of a small company in two or three " +
    "plain sentences, names the page of the manual where the answer is found, and never guesses.";
  const user =
    "Our coffee machine of the second generation shows the amber light for about twenty seconds after it was " +
    "switched on, then it goes out again and the pump makes a humming noise. We have already emptied the tray, " +
    "rinsed the filter and refilled the tank with fresh water. Is that a fault, or does it only want to be descaled?";
  return JSON.stringify({
    model: MODEL,
    messages: [
      { role: "system", content: system },
      { role: "user", content: user },
    ],
    max_tokens: 128,
    temperature: 0.7,
    top_p: 0.95,
    ...(stream ? { stream: true } : {}),
  });
}

const USAGE = { prompt_tokens: 143, total_tokens: 207, completion_tokens: 64 };

/** An unstreamed response in vLLM's form. */
export function wholeResponse(): string {
  return JSON.stringify({
    id: "chatcmpl-5f6f7a1c2b3d4e5f9a8b7c6d5e4f3a2b",
    object: "chat.completion",
    created: 1767225600,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content:
            "The amber light with a humming pump means that the machine wants to be descaled; it is not a fault. " +
            "Start the descaling programme from the service menu and use the powder that came with it. " +
            "See page 34 of the manual.",
          refusal: null,
          tool_calls: [],
        },
        logprobs: null,
        finish_reason: "stop",
        stop_reason: null,
      },
    ],
    usage: USAGE,
  });
}

/** The events of a streamed response: `STREAM_CHUNKS` deltas, the finish with usage, `[DONE]`. */
export function streamEvents(): string[] {
  const event = (choice: object, fields: object = {}) =>
    `data: ${JSON.stringify({
      id: "chatcmpl-5f6f7a1c2b3d4e5f9a8b7c6d5e4f3a2b",
      object: "chat.completion.chunk",
      created: 1767225600,
      model: MODEL,
      choices: [{ index: 0, logprobs: null, ...choice }],
      ...fields,
    })}\n\n`;
  const events = Array.from({ length: STREAM_CHUNKS }, (_, i) =>
    event({ delta: { content: ` word${i}` }, finish_reason: null }),
  );
  events.push(event({ delta: {}, finish_reason: "stop" }, { usage: USAGE }));
  events.push("data: [DONE]\n\n");
  return events;
}
