import type { Flag } from "../args/flags.ts";

/** Flags of every command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "account", short: "a", type: "string", help: "The account to work in. Default: the key's." },
  {
    name: "api-key",
    type: "string",
    isSecret: true,
    help: "The API key. Default: FIREWORKS_API_KEY, then the profile's.",
  },
  {
    name: "api-base",
    type: "string",
    help: "The host's address. Default: FIREWORKS_API_BASE, then the profile's.",
  },
  {
    name: "profile",
    type: "string",
    help: 'The profile in ~/.fireworks/auth.ini to use. Default: "default".',
  },
  { name: "dry-run", type: "bool", help: "Print the request without sending it." },
  {
    name: "output",
    short: "o",
    type: "string",
    values: ["text", "json"],
    help: 'How to print: "text" or "json". Default: text.',
  },
];

/** Flags of commands that list pages. */
export const PAGE_FLAGS: readonly Flag[] = [
  {
    name: "page-size",
    type: "int32",
    help: "The most items to list. Default: 50, or the host's limit.",
  },
  {
    name: "page-token",
    type: "string",
    help: "The page to list, as the notice of the page before shows it.",
  },
  { name: "no-paginate", type: "bool", help: "List all pages." },
];

export const QUIET: Flag = { name: "quiet", type: "bool", help: "Print only errors and the result." };

export function waitFlags(until: string): readonly Flag[] {
  return [
    { name: "wait", type: "bool", help: `Wait until ${until}.` },
    { name: "wait-timeout", type: "duration", help: "The longest time that --wait waits. Default: 1h." },
  ];
}
