import type { Flag } from "../args/flags.ts";

/** What every command takes. */
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

/** How much of a list is wanted. */
export const PAGE_FLAGS: readonly Flag[] = [
  {
    name: "page-size",
    type: "int32",
    help: "How many to list at most. Default: 50, or what the host allows.",
  },
  { name: "page-token", type: "string", help: "The page to list." },
  { name: "no-paginate", type: "bool", help: "List all pages." },
];

export const QUIET: Flag = { name: "quiet", type: "bool", help: "Print errors and the result alone." };

export function waitFlags(until: string): readonly Flag[] {
  return [
    { name: "wait", type: "bool", help: `Wait until ${until}.` },
    { name: "wait-timeout", type: "duration", help: "How long --wait waits at most. Default: 1h." },
  ];
}
