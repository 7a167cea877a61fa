/** Types of the parts of a message that no model here accepts. */
const MEDIA = /^(image_url|video_url|input_audio|audio_url)$/;

type JsonObject = Record<string, unknown>;

export function isMediaPart(part: unknown): part is { type: string } {
  const type = (part as { type?: unknown } | null)?.type;
  return typeof type === "string" && MEDIA.test(type);
}

/** A body without the images, video and audio of its messages and its parameter `images`; null: it has none. */
export function dropMedia(body: unknown): { body: unknown; dropped: readonly string[] } | null {
  if (typeof body !== "object" || body === null) return null;
  const { images, ...rest } = body as JsonObject;
  const dropped = new Set<string>();
  if (Array.isArray(images) && images.length > 0) dropped.add("images");
  if (Array.isArray(rest.messages)) {
    rest.messages = rest.messages.map((message: unknown) => withoutMedia(message, dropped));
  }
  return dropped.size === 0 ? null : { body: rest, dropped: [...dropped] };
}

function withoutMedia(message: unknown, dropped: Set<string>): unknown {
  const content = (message as { content?: unknown } | null)?.content;
  if (!Array.isArray(content)) return message;
  const media = content.filter(isMediaPart);
  if (media.length === 0) return message;
  for (const { type } of media) dropped.add(type);
  const others = content.filter((part) => !isMediaPart(part));
  return { ...(message as JsonObject), content: others.length === 0 ? "" : others };
}
