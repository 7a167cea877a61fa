import type { Flag } from "../../args/flags.ts";
import type { Resource } from "../resource.ts";
import { ACCELERATOR_TYPES, ANY_ID, REGIONS, ROLES } from "./values.ts";

const ROLE: Flag = {
  name: "role",
  type: "string",
  field: "role",
  values: ROLES,
  help: "What the user may do. Default: user.",
};
const NAME: Flag = {
  name: "display-name",
  type: "string",
  field: "displayName",
  help: "The display name of the user.",
};

export const ACCOUNT: Resource = {
  collection: "accounts",
  title: "account",
  words: ["account", "accounts"],
  columns: [
    ["NAME", "name"],
    ["TYPE", "accountType"],
    ["EMAIL", "email"],
    ["SUSPEND STATE", "suspendState"],
    ["CREATE TIME", "createTime"],
    ["DISPLAY NAME", "displayName"],
  ],
  newId: "accountId",
  verbs: [
    {
      verb: "create",
      summary: "Create an account (operators only).",
      args: [],
      flags: [
        {
          name: "email",
          type: "string",
          field: "email",
          help: "The email address of the account's owner (required).",
        },
        {
          name: "account-id",
          type: "string",
          field: "accountId",
          help: "The id of the account. Default: derived from the email address.",
        },
        {
          name: "display-name",
          type: "string",
          field: "displayName",
          help: "The display name of the account.",
        },
      ],
      examples: ['firectl create account --account-id acme --email="owner@acme.example"'],
    },
    {
      verb: "get",
      summary: "Print an account.",
      args: [{ name: "account-id", isOptional: true }],
      examples: ["firectl get account", "firectl get account acme"],
      load: () => import("../accounts.ts").then(({ getAccount }) => getAccount),
    },
    {
      verb: "update",
      summary: "Change an account's email address, display name or spend alerts.",
      args: [{ name: "account-id", isOptional: true }],
      flags: [
        { name: "email", type: "string", field: "email", help: "The account's email address." },
        {
          name: "display-name",
          type: "string",
          field: "displayName",
          help: "The display name of the account.",
        },
        {
          name: "spend-alerts-usd",
          type: "strings",
          field: "notificationSettings.monthlySpendThresholds",
          help: 'Monthly spending at which admins are alerted, such as 10,49.50; "" for no alerts.',
        },
      ],
      examples: ["firectl update account --spend-alerts-usd 10,50"],
      load: () => import("../accounts.ts").then(({ updateAccount }) => updateAccount),
    },
    { verb: "list", summary: "List the accounts that you may see.", examples: ["firectl list accounts"] },
  ],
};

export const USER: Resource = {
  collection: "users",
  title: "user",
  words: ["user", "users"],
  columns: [
    ["NAME", "name"],
    ["ROLE", "role"],
    ["EMAIL", "email"],
    ["STATE", "state"],
    ["CREATE TIME", "createTime"],
    ["DISPLAY NAME", "displayName"],
  ],
  newId: "userId",
  verbs: [
    {
      verb: "create",
      summary: "Add a user to the account.",
      args: [],
      flags: [
        { name: "email", type: "string", field: "email", help: "The user's email address (required)." },
        ROLE,
        NAME,
        {
          name: "user-id",
          type: "string",
          field: "userId",
          help: "The id of the user. Default: derived from the email address.",
        },
        {
          name: "service-account",
          type: "bool",
          field: "serviceAccount",
          help: "Create a service account: it needs --user-id and no email address.",
        },
      ],
      examples: [
        'firectl create user --email="alice@example.com"',
        'firectl create user --email="alice@example.com" --role=admin',
      ],
      load: () => import("../users.ts").then(({ createUser }) => createUser),
    },
    { verb: "get", summary: "Print a user.", examples: ["firectl get user alice"] },
    { verb: "list", summary: "List the users of the account.", examples: ["firectl list users"] },
    {
      verb: "update",
      summary: "Change a user's role or display name.",
      flags: [NAME, { ...ROLE, aliases: ["user"], help: "What the user may do. Also: --user." }],
      examples: [
        'firectl update user alice --role="admin"',
        'firectl update user alice --display-name="Alice Cullen"',
      ],
    },
    { verb: "delete", summary: "Remove a user from the account.", examples: ["firectl delete user alice"] },
  ],
};

const KEY_NAME: Flag = {
  name: "key-name",
  type: "string",
  field: "displayName",
  help: "The display name of the key.",
};
const EXPIRE_TIME: Flag = {
  name: "expire-time",
  type: "string",
  field: "expireTime",
  help: "When the key expires, such as 2027-01-31T00:00:00Z. Default: never.",
};

export const API_KEY: Resource = {
  collection: "apiKeys",
  title: "API key",
  words: ["api-key", "api-keys"],
  idPattern: ANY_ID,
  columns: [
    ["KEY ID", "keyId"],
    ["PREFIX", "prefix"],
    ["EMAIL", "email"],
    ["CREATE TIME", "createTime"],
    ["LAST USED", "lastUsed"],
    ["EXPIRE TIME", "expireTime"],
    ["DISPLAY NAME", "displayName"],
  ],
  envelope: "apiKey",
  verbs: [
    {
      verb: "create",
      summary: "Create an API key. It is shown only once.",
      args: [],
      flags: [
        KEY_NAME,
        EXPIRE_TIME,
        { name: "user", type: "string", help: "The owner of the key, for admins. Default: you." },
      ],
      examples: [
        'firectl create api-key --key-name "quick-start"',
        'firectl create api-key --key-name "first" --user alice',
      ],
      load: () => import("../api-keys.ts").then(({ createApiKey }) => createApiKey),
    },
    {
      verb: "get",
      summary: "Print an API key's details, without the key itself.",
      args: [{ name: "key-id" }],
      examples: ["firectl get api-key key_42vAYeb7rwt9zzg1"],
      load: () => import("../api-keys.ts").then(({ getApiKey }) => getApiKey),
    },
    {
      verb: "list",
      summary: "List your API keys; with --all-users, the keys of all users (admins only).",
      flags: [{ name: "all-users", type: "bool", help: "List the keys of all users of the account." }],
      examples: ["firectl list api-key", "firectl list api-key --all-users"],
      load: () => import("../api-keys.ts").then(({ listApiKeys }) => listApiKeys),
    },
    {
      verb: "update",
      summary: "Rename an API key, set when it expires, or disable it.",
      args: [{ name: "key-id" }],
      flags: [
        KEY_NAME,
        EXPIRE_TIME,
        {
          name: "disabled",
          type: "bool",
          field: "disabled",
          help: "Disable the key; --disabled=false enables it again.",
        },
        { name: "user", type: "string", help: "The owner of the key, for admins. Default: you." },
      ],
      examples: [
        "firectl update api-key key_42vAYeb7rwt9zzg1 --disabled",
        "firectl update api-key key_42vAYeb7rwt9zzg1 --user alice --key-name laptop",
      ],
      load: () => import("../api-keys.ts").then(({ updateApiKey }) => updateApiKey),
    },
    {
      verb: "delete",
      summary: "Delete an API key. It stops working at once.",
      args: [{ name: "key-id" }],
      examples: ["firectl delete api-key key_42vAYeb7rwt9zzg1"],
      load: () => import("../api-keys.ts").then(({ deleteApiKey }) => deleteApiKey),
    },
  ],
};

export const QUOTA: Resource = {
  collection: "quotas",
  title: "quota",
  words: ["quota", "quotas"],
  idPattern: ANY_ID,
  columns: [
    ["NAME", "name"],
    ["VALUE", "value"],
    ["MAX VALUE", "maxValue"],
    ["USAGE", "usage"],
    ["UPDATE TIME", "updateTime"],
  ],
  verbs: [
    { verb: "get", summary: "Print a quota.", examples: ["firectl get quota monthly-spend-usd"] },
    { verb: "list", summary: "List the quotas of the account.", examples: ["firectl list quotas"] },
    {
      verb: "update",
      summary: "Set a quota's value, up to its maximum.",
      flags: [
        { name: "value", type: "int64", field: "value", help: "The new value." },
        {
          name: "max-value",
          type: "int64",
          field: "maxValue",
          help: "The maximum of the value (operators only).",
        },
        {
          name: "allow-missing",
          type: "bool",
          field: "allowMissing",
          help: "Create the quota if it doesn't exist, such as the quota of a single key.",
        },
      ],
      examples: [
        "firectl update quota monthly-spend-usd --value 50",
        "firectl update quota requests-per-minute-key-key_42vAYeb7rwt9zzg1 --value 60 --allow-missing",
      ],
    },
  ],
};

export const RESERVATION: Resource = {
  collection: "reservations",
  title: "reservation",
  words: ["reservation", "reservations"],
  idPattern: ANY_ID,
  columns: [
    ["NAME", "name"],
    ["REGION", "region"],
    ["ACCELERATOR TYPE", "acceleratorType"],
    ["RESERVED COUNT", "reservedCount"],
    ["START TIME", "startTime"],
    ["END TIME", "endTime"],
  ],
  newId: "reservationId",
  verbs: [
    {
      verb: "create",
      summary: "Reserve accelerators for an account (operators only).",
      args: [],
      flags: [
        {
          name: "accelerator-type",
          type: "string",
          field: "acceleratorType",
          values: ACCELERATOR_TYPES,
          help: "The type of GPU (required).",
        },
        {
          name: "reserved-count",
          type: "int32",
          field: "reservedCount",
          help: "The number of accelerators (required).",
        },
        {
          name: "region",
          type: "string",
          field: "region",
          values: REGIONS,
          help: "The region. Default: any region.",
        },
        {
          name: "start-time",
          type: "string",
          field: "startTime",
          help: "When it starts, such as 2026-12-01T00:00:00Z. Default: the next midnight, UTC.",
        },
        {
          name: "end-time",
          type: "string",
          field: "endTime",
          help: "When it ends. Default: a year after the start.",
        },
        { name: "display-name", type: "string", field: "displayName", help: "The display name." },
        { name: "description", type: "string", field: "description", help: "The description." },
        {
          name: "reservation-id",
          type: "string",
          field: "reservationId",
          help: "The id of the reservation. Default: a random id.",
        },
      ],
      examples: [
        "firectl create reservation -a acme --accelerator-type NVIDIA_H100_80GB --reserved-count 12",
      ],
    },
    { verb: "get", summary: "Print a reservation.", examples: ["firectl get reservation my-reservation"] },
    {
      verb: "list",
      summary: "List the reservations of the account.",
      examples: ["firectl list reservations"],
    },
  ],
};
