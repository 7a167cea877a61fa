import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { serverEngine } from "./engines/registry.ts";
import { parseModelName } from "./lib/resource-names.ts";
import { s3ServerFromEnv } from "./platform/blobs/s3-server.ts";
import type { LogLevel } from "./platform/telemetry/log.ts";

/** All settings, parsed once from the environment. Only this file reads `process.env`. */
export interface Config {
  readonly port: number;
  readonly host: string;
  /** Absolute path. Holds the embedded database, the usage spool and the key file. */
  readonly dataDir: string;
  /** Absolute path. Holds model weights; other checkouts can share it. */
  readonly cacheDir: string;
  readonly accountId: string;
  /** The operator's API key; null: generated once and kept in the data folder. */
  readonly apiKey: string | null;
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  /** Redis by which gateways share their rate limits; null: they use the database. */
  readonly redisUrl: string | null;
  /** Alias → model name. */
  readonly modelAliases: ReadonlyMap<string, string>;
  readonly fallbackModel: string | null;
  /** Whether what the fallback model doesn't support is dropped from requests and not refused. */
  readonly isFallbackLenient: boolean;
  /** Model name → base URL of an OpenAI-compatible server. */
  readonly attachedEngines: ReadonlyMap<string, string>;
  /** Model name → program and arguments that start an OpenAI-compatible server; may hold `{port}` and `{name}`. */
  readonly launchedEngines: ReadonlyMap<string, readonly string[]>;
  /** Model name of an attached or launched engine → optional features of its server. */
  readonly engineFeatures: ReadonlyMap<string, readonly string[]>;
  /** Accelerator type, or `CPU` for none → program that runs deployments' replicas instead of the embedded engine. */
  readonly deploymentEngines: ReadonlyMap<string, DeploymentEngine>;
  /** Accelerator type → number of them that replicas may use on this host. */
  readonly accelerators: ReadonlyMap<string, number>;
  /** Region of the host, as deployments' placements name it; null: unknown. */
  readonly region: string | null;
  /** Threads of one embedded engine; null: chosen by the number of cores. */
  readonly engineThreads: number | null;
  readonly hubEndpoint: string;
  /** Absolute path of a file whose prices override the shipped ones; null: none. */
  readonly pricesFile: string | null;
  /** Whether usage is charged and spend limits apply. Usage is recorded in any case. */
  readonly billing: boolean;
  /** Days for which the audit log keeps its entries. */
  readonly auditRetentionDays: number;
  /** Where files of models and datasets are stored; null: in the data folder. */
  readonly blobStore: S3Location | null;
  /** Origin of signed URLs; null: the origin of the request that asks for them. */
  readonly publicUrl: string | null;
  /** Origins whose web pages may call the API; `*`: all; null: none. */
  readonly corsOrigins: "*" | ReadonlySet<string> | null;
  /** Rate limit of one account. */
  readonly requestsPerMinute: number;
  readonly logLevel: LogLevel;
  /** The whole environment, for child processes and clients that read variables such as proxy settings. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A program that serves a deployment's model with the OpenAI API. */
export interface DeploymentEngine {
  /**
   * Program and arguments, with placeholders: `{port}` and `{name}` as for launched engines; either `{model}`, the path of
   * the model's uploaded files, or `{gguf}`, the path of its GGUF file; `{accelerators}`, the replica's number of them.
   */
  command: readonly string[];
  /** Optional features of the server. */
  features: readonly string[];
  /** Requests that the server computes at the same time. */
  concurrency: number;
}

/** A folder of a bucket in Amazon S3 or on a server with the same protocol. */
export interface S3Location {
  bucket: string;
  /** Empty, or ends with a slash. */
  prefix: string;
  /** Null: Amazon S3. */
  endpoint: string | null;
  region: string;
}

/** An invalid setting. `message` is one line that names the setting. */
export class ConfigError extends Error {
  constructor(setting: string, problem: string) {
    super(`${setting}: ${problem}`);
    this.name = "ConfigError";
  }
}

type Env = Readonly<Record<string, string | undefined>>;
type Parse<T> = (value: string, name: string) => T;

const SETTING_NAMES = [
  "HEARTH_PORT",
  "HEARTH_HOST",
  "HEARTH_DATA_DIR",
  "HEARTH_CACHE_DIR",
  "HEARTH_ACCOUNT_ID",
  "HEARTH_API_KEY",
  "HEARTH_MODEL_ALIASES",
  "HEARTH_FALLBACK_MODEL",
  "HEARTH_ATTACHED_ENGINES",
  "HEARTH_LAUNCHED_ENGINES",
  "HEARTH_ENGINE_FEATURES",
  "HEARTH_DEPLOYMENT_ENGINES",
  "HEARTH_ENGINE_THREADS",
  "HEARTH_ACCELERATORS",
  "HEARTH_REGION",
  "HEARTH_PRICES",
  "HEARTH_BILLING",
  "HEARTH_AUDIT_RETENTION_DAYS",
  "HEARTH_BLOB_STORE",
  "HEARTH_PUBLIC_URL",
  "HEARTH_CORS_ORIGINS",
  "HEARTH_REDIS_URL",
  "HEARTH_REQUESTS_PER_MINUTE",
  "HEARTH_LOG_LEVEL",
];

/** @throws ConfigError for the first bad or unknown setting. */
export function readConfig(env: Env = process.env): Config {
  for (const name of Object.keys(env)) {
    if (name.startsWith("HEARTH_") && !name.startsWith("HEARTH_TEST_") && !SETTING_NAMES.includes(name)) {
      throw new ConfigError(name, `there is no such setting; there are ${SETTING_NAMES.join(", ")}`);
    }
  }
  const read = <T>(name: string, parse: Parse<T>, defaultValue: T): T => {
    const value = env[name];
    return value === undefined || value === "" ? defaultValue : parse(value, name);
  };
  const attachedEngines = read("HEARTH_ATTACHED_ENGINES", pairs(modelName, httpUrl), new Map());
  const launchedEngines = read("HEARTH_LAUNCHED_ENGINES", commands, new Map());
  for (const name of launchedEngines.keys()) {
    if (attachedEngines.has(name))
      throw new ConfigError("HEARTH_LAUNCHED_ENGINES", `${name} is an attached engine too`);
  }
  const engineFeatures = read("HEARTH_ENGINE_FEATURES", pairs(modelName, serverFeatures), new Map());
  for (const name of engineFeatures.keys()) {
    if (!attachedEngines.has(name) && !launchedEngines.has(name))
      throw new ConfigError(
        "HEARTH_ENGINE_FEATURES",
        `${name} is neither an attached engine nor a launched one`,
      );
  }
  return Object.freeze({
    port: read("HEARTH_PORT", integer(0, 65_535), 8080),
    host: read(
      "HEARTH_HOST",
      matching(/^[A-Za-z0-9.:_-]{1,253}$/, "a host name or an IP address"),
      "127.0.0.1",
    ),
    dataDir: read("HEARTH_DATA_DIR", folder, resolve(".hearth")),
    cacheDir: read("HEARTH_CACHE_DIR", folder, defaultCacheDir(env)),
    accountId: read("HEARTH_ACCOUNT_ID", accountId, "local"),
    apiKey: read<string | null>("HEARTH_API_KEY", apiKey, null),
    databaseUrl: read<string | null>("DATABASE_URL", postgresUrl, null),
    redisUrl: read<string | null>("HEARTH_REDIS_URL", redisUrl, null),
    modelAliases: read("HEARTH_MODEL_ALIASES", pairs(alias, modelName), new Map()),
    fallbackModel: read<string | null>("HEARTH_FALLBACK_MODEL", modelName, null),
    isFallbackLenient: read("HEARTH_FALLBACK_MODE", oneOf("lenient", "strict"), "lenient") === "lenient",
    attachedEngines,
    launchedEngines,
    engineFeatures,
    deploymentEngines: read("HEARTH_DEPLOYMENT_ENGINES", deploymentEngines, new Map()),
    accelerators: read("HEARTH_ACCELERATORS", pairs(acceleratorType, integer(1, 1024)), new Map()),
    region: read<string | null>("HEARTH_REGION", region, null),
    engineThreads: read<number | null>("HEARTH_ENGINE_THREADS", integer(1, 256), null),
    hubEndpoint: read("HF_ENDPOINT", httpUrl, "https://huggingface.co"),
    pricesFile: read<string | null>("HEARTH_PRICES", filePath, null),
    blobStore: read<S3Location | null>("HEARTH_BLOB_STORE", s3Location(env), null),
    publicUrl: read<string | null>("HEARTH_PUBLIC_URL", httpUrl, null),
    corsOrigins: read<Config["corsOrigins"]>("HEARTH_CORS_ORIGINS", corsOrigins, null),
    billing: read("HEARTH_BILLING", oneOf("on", "off"), "off") === "on",
    auditRetentionDays: read("HEARTH_AUDIT_RETENTION_DAYS", integer(1, 36_500), 400),
    requestsPerMinute: read("HEARTH_REQUESTS_PER_MINUTE", integer(1, 999_999_999), 6_000),
    logLevel: read("HEARTH_LOG_LEVEL", oneOf<LogLevel>("silent", "error", "warn", "info", "debug"), "warn"),
    env,
  });
}

function defaultCacheDir(env: Env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hearth");
}

const integer =
  (min: number, max: number): Parse<number> =>
  (value, name) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new ConfigError(name, `must be a whole number from ${min} to ${max}`);
  };

const matching =
  (pattern: RegExp, description: string): Parse<string> =>
  (value, name) => {
    if (pattern.test(value)) return value;
    throw new ConfigError(name, `must be ${description}`);
  };

const oneOf =
  <T extends string>(...values: T[]): Parse<T> =>
  (value, name) => {
    if ((values as string[]).includes(value)) return value as T;
    throw new ConfigError(name, `must be one of ${values.join(", ")}`);
  };

const folder: Parse<string> = (value, name) => {
  if (value.includes("\0")) throw new ConfigError(name, "must be a folder's path");
  return resolve(value);
};

const filePath: Parse<string> = (value, name) => {
  if (value.includes("\0") || value.endsWith("/")) throw new ConfigError(name, "must be a file's path");
  return resolve(value);
};

// The contract's rule for ids: 1–63 of a–z, 0–9 and hyphen; no hyphen at either end, no digit at the start.
const accountId = matching(
  /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
  "1 to 63 of a-z, 0-9 and hyphen, starting with a letter",
);
const apiKey = matching(
  /^fw_[A-Za-z0-9_-]{16,128}$/,
  "fw_ followed by 16 to 128 letters, digits, hyphens or underscores",
);
const modelName: Parse<string> = (value, name) => {
  if (value.startsWith("accounts/") && parseModelName(value) !== null) return value;
  throw new ConfigError(name, "must be a model name, accounts/{account}/models/{model}");
};
const alias = matching(
  /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/,
  "a model alias of letters, digits and . _ : / -",
);

const serverFeatures: Parse<readonly string[]> = (value, name) => {
  const features = value.split("+");
  if (features.every((feature) => serverEngine.features.includes(feature))) return features;
  throw new ConfigError(name, `must be some of ${serverEngine.features.join(", ")}, with + between them`);
};

const acceleratorType = matching(
  /^(?:NVIDIA|AMD)_[A-Z0-9]{1,20}_\d{1,4}GB$/,
  "types and numbers of accelerators, such as NVIDIA_H100_80GB=8",
);
const region = matching(/^[A-Z][A-Z0-9_]{0,62}$/, "a region such as EU_PARIS_1");

const DEFAULT_CONCURRENCY = 64;
const MAX_CONCURRENCY = 4_096;

/** A JSON object: accelerator type or `CPU` → program that runs replicas on it. */
const deploymentEngines: Parse<ReadonlyMap<string, DeploymentEngine>> = (value, name) => {
  const fail = (problem: string): never => {
    throw new ConfigError(name, problem);
  };
  const example = '{"NVIDIA_H100_80GB": {"command": ["vllm", "serve", "{model}", "--port", "{port}"]}}';
  const json = jsonObject(value) ?? fail(`must be a JSON object such as ${example}`);
  return new Map(
    Object.entries(json).map(([type, engine]) => {
      if (type !== "CPU") acceleratorType(type, name);
      const { command, features = [], concurrency = DEFAULT_CONCURRENCY, ...unknown } = Object(engine);
      if (Object.keys(unknown).length > 0) fail("may hold only command, features and concurrency");
      if (!isTexts(command) || !isTexts(features)) fail(`must be a JSON object such as ${example}`);
      const placeholders = new Set(command.join(" ").match(/\{[a-z]+\}/g));
      if (!placeholders.has("{port}") || placeholders.has("{model}") === placeholders.has("{gguf}"))
        fail("needs the placeholder {port}, and one of {model} and {gguf}, in each command");
      for (const known of ["{port}", "{name}", "{model}", "{gguf}", "{accelerators}"])
        placeholders.delete(known);
      if (placeholders.size > 0) fail(`has no placeholder ${[...placeholders][0]}`);
      if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY)
        fail(`concurrency must be a whole number from 1 to ${MAX_CONCURRENCY}`);
      return [
        type,
        {
          command,
          features: (features as string[]).flatMap((feature) => serverFeatures(feature, name)),
          concurrency,
        },
      ];
    }),
  );
};

function jsonObject(text: string): object | null {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null && !Array.isArray(json) ? json : null;
  } catch {
    return null;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/** A JSON object: model name → array of program and arguments. */
const commands: Parse<ReadonlyMap<string, readonly string[]>> = (value, name) => {
  const bad = new ConfigError(
    name,
    'must be a JSON object such as {"accounts/a/models/m": ["program", "{port}"]}',
  );
  const json = jsonObject(value);
  if (json === null) throw bad;
  return new Map(
    Object.entries(json).map(([model, command]) => {
      if (!isTexts(command) || !command.join(" ").includes("{port}")) throw bad;
      if (/\{(?!port\}|name\})[a-z]+\}/.test(command.join(" "))) {
        throw new ConfigError(name, "may hold only the placeholders {port} and {name}");
      }
      return [modelName(model, name), command];
    }),
  );
};

const httpUrl: Parse<string> = (value, name) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return value.replace(/\/+$/, "");
  throw new ConfigError(name, "must be an http or https URL");
};

/** `off`, `*`, or origins as browsers send them, separated by commas. */
const corsOrigins: Parse<"*" | ReadonlySet<string> | null> = (value, name) => {
  if (value === "off") return null;
  if (value === "*") return value;
  const origins = value.split(",").map((origin) => origin.trim());
  for (const origin of origins) {
    if (origin.includes("*") || !URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new ConfigError(
        name,
        "must be off, * or origins such as https://app.example, with commas between them",
      );
  }
  return new Set(origins);
};

/** `s3://bucket/prefix?endpoint=https://host&region=eu-west-1`. AWS's variables are the defaults of endpoint and region. */
const s3Location =
  (env: Env): Parse<S3Location> =>
  (value, name) => {
    const url = URL.canParse(value) ? new URL(value) : null;
    const prefix = url?.pathname.replace(/^\/+|\/+$/g, "") ?? "";
    const isGood =
      url?.protocol === "s3:" &&
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname) &&
      /^[A-Za-z0-9._=/-]{0,200}$/.test(prefix) &&
      [...url.searchParams.keys()].every((key) => key === "endpoint" || key === "region");
    if (!isGood) throw new ConfigError(name, "must be s3://bucket/prefix?endpoint=https://host&region=name");
    const defaults = s3ServerFromEnv(env);
    const endpoint = url.searchParams.get("endpoint") ?? defaults.endpoint;
    return {
      bucket: url.hostname,
      prefix: prefix === "" ? "" : `${prefix}/`,
      endpoint: endpoint === null ? null : httpUrl(endpoint, name),
      region: url.searchParams.get("region") ?? defaults.region,
    };
  };

/** The error message doesn't quote the value, as it may hold a password. */
const postgresUrl: Parse<string> = (value, name) => {
  if (URL.canParse(value) && /^postgres(?:ql)?:$/.test(new URL(value).protocol)) return value;
  throw new ConfigError(name, "must be a postgres:// URL");
};

/** The error message doesn't quote the value, as it may hold a password. */
const redisUrl: Parse<string> = (value, name) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  const isGood =
    url !== null &&
    /^rediss?:$/.test(url.protocol) &&
    url.hostname !== "" &&
    /^\/?\d{0,4}$/.test(url.pathname) &&
    url.search + url.hash === "" &&
    isDecodable(`${url.username}:${url.password}`);
  if (isGood) return value;
  throw new ConfigError(name, "must be redis://user:password@host:port/number, or rediss:// for TLS");
};

function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== "";
  } catch {
    return false;
  }
}

/** `key=value` pairs, separated by commas. */
const pairs =
  <T>(key: Parse<string>, item: Parse<T>): Parse<ReadonlyMap<string, T>> =>
  (value, name) => {
    const map = new Map<string, T>();
    for (const pair of value.split(",")) {
      const at = pair.indexOf("=");
      if (at === -1) throw new ConfigError(name, "must be name=value pairs, separated by commas");
      const itemKey = key(pair.slice(0, at).trim(), name);
      if (map.has(itemKey)) throw new ConfigError(name, `names ${itemKey} twice`);
      map.set(itemKey, item(pair.slice(at + 1).trim(), name));
    }
    return map;
  };
