/**
 * A fault in one row. The message has no subject: `messages[0].role must be …`. It is safe to show to a client, because
 * it quotes no content of the row except shortened field names.
 */
export class RowError extends Error {}
