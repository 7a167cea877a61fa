import { describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";

describe("settings", () => {
  test("without any variable set, the settings are the documented defaults", () => {
    const config = readConfig({ HOME: "/home/u" });
    expect(config).toMatchObject({
      port: 8080,
      host: "127.0.0.1",
      accountId: "local",
      apiKey: null,
      databaseUrl: null,
    });
    expect(config.modelAliases.size).toBe(0);
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("aliases and attached engines are name=value lists", () => {
    const config = readConfig({
      HEARTH_MODEL_ALIASES: "gpt-4o=accounts/fireworks/models/a, b=accounts/x/models/c-1.5",
      HEARTH_ATTACHED_ENGINES: "accounts/local/models/m=http://127.0.0.1:8000/v1/",
    });
    expect([...config.modelAliases]).toEqual([
      ["gpt-4o", "accounts/fireworks/models/a"],
      ["b", "accounts/x/models/c-1.5"],
    ]);
    expect(config.attachedEngines.get("accounts/local/models/m")).toBe("http://127.0.0.1:8000/v1");
  });

  test("launched engines are commands, accelerators are counted", () => {
    const command = ["vllm", "serve", "--port", "{port}", '--extra={"a": 1}', "{name}"];
    const config = readConfig({
      HEARTH_LAUNCHED_ENGINES: JSON.stringify({ "accounts/local/models/m": command }),
      HEARTH_ACCELERATORS: "NVIDIA_H100_80GB=8,AMD_MI300X_192GB=2",
      HEARTH_REGION: "EU_PARIS_1",
    });
    expect([...config.launchedEngines]).toEqual([["accounts/local/models/m", command]]);
    expect([...config.accelerators]).toEqual([
      ["NVIDIA_H100_80GB", 8],
      ["AMD_MI300X_192GB", 2],
    ]);
    expect(config.region).toBe("EU_PARIS_1");
  });

  test("the audit log keeps its entries for 400 days or for as long as is configured", () => {
    expect(readConfig({}).auditRetentionDays).toBe(400);
    expect(readConfig({ HEARTH_AUDIT_RETENTION_DAYS: "30" }).auditRetentionDays).toBe(30);
    for (const HEARTH_AUDIT_RETENTION_DAYS of ["0", "-1", "forever", "1.5", "36501"]) {
      expect(() => readConfig({ HEARTH_AUDIT_RETENTION_DAYS })).toThrow(/^HEARTH_AUDIT_RETENTION_DAYS: /);
    }
  });

  test("web pages may call the API from no origin, the listed ones or all", () => {
    const read = (HEARTH_CORS_ORIGINS: string) => readConfig({ HEARTH_CORS_ORIGINS }).corsOrigins;
    expect(readConfig({}).corsOrigins).toBeNull();
    expect(read("off")).toBeNull();
    expect(read("*")).toBe("*");
    expect(read("https://app.example, http://localhost:3000")).toEqual(
      new Set(["https://app.example", "http://localhost:3000"]),
    );
    for (const bad of [
      "app.example",
      "https://app.example/",
      "https://*.example",
      "*,https://a.example",
      "null",
    ]) {
      expect(() => read(bad), bad).toThrow(/^HEARTH_CORS_ORIGINS: /);
    }
  });

  test("a price file is a path, which is made absolute", () => {
    expect(readConfig({}).pricesFile).toBeNull();
    expect(readConfig({ HEARTH_PRICES: "/etc/prices.json" }).pricesFile).toBe("/etc/prices.json");
    expect(() => readConfig({ HEARTH_PRICES: "/etc/" })).toThrow(/^HEARTH_PRICES: /);
  });

  test("a model that is both attached and launched is refused", () => {
    const model = "accounts/local/models/m";
    const env = {
      HEARTH_ATTACHED_ENGINES: `${model}=http://127.0.0.1:1/v1`,
      HEARTH_LAUNCHED_ENGINES: JSON.stringify({ [model]: ["x", "{port}"] }),
    };
    expect(() => readConfig(env)).toThrow(/^HEARTH_LAUNCHED_ENGINES: .*attached/);
  });

  test("features of a server that is neither attached nor launched are refused", () => {
    const model = "accounts/local/models/m";
    const env = {
      HEARTH_ATTACHED_ENGINES: `${model}=http://127.0.0.1:1/v1`,
      HEARTH_ENGINE_FEATURES: `${model}=vllm+tools`,
    };
    expect([...readConfig(env).engineFeatures]).toEqual([[model, ["vllm", "tools"]]]);
    expect(() => readConfig({ HEARTH_ENGINE_FEATURES: `${model}=tools` })).toThrow(/neither an attached/);
    expect(() => readConfig({ ...env, HEARTH_ENGINE_FEATURES: `${model}=magic` })).toThrow(/some of tools,/);
  });

  test("a Redis is named by a URL, and a bad one is refused without repeating it", () => {
    expect(readConfig({}).redisUrl).toBeNull();
    for (const url of [
      "redis://127.0.0.1",
      "rediss://u:p%20w@redis.example:6380/3",
      "redis://:pw@[::1]:6379/",
    ]) {
      expect(readConfig({ HEARTH_REDIS_URL: url }).redisUrl).toBe(url);
    }
    const bad = [
      "redis",
      "redis://",
      "http://u:secret@h",
      "redis://u:secret@h/name",
      "redis://u:secret%zz@h",
    ];
    for (const url of [
      ...bad,
      "redis://u:secret@h?db=1",
      "redis://u:secret%FF@h",
      "redis://u:secret@h:70000",
    ]) {
      expect(() => readConfig({ HEARTH_REDIS_URL: url })).toThrow(/^HEARTH_REDIS_URL: (?!.*secret)/);
    }
  });

  test("the blob store is a folder of a bucket, with defaults from the AWS variables", () => {
    const read = (value: string, env = {}) => readConfig({ HEARTH_BLOB_STORE: value, ...env }).blobStore;
    expect(readConfig({}).blobStore).toBeNull();
    expect(read("s3://my.bucket")).toEqual({
      bucket: "my.bucket",
      prefix: "",
      endpoint: null,
      region: "us-east-1",
    });
    expect(read("s3://my-bucket/a/b/?endpoint=http://127.0.0.1:9000/&region=eu-west-1")).toEqual({
      bucket: "my-bucket",
      prefix: "a/b/",
      endpoint: "http://127.0.0.1:9000",
      region: "eu-west-1",
    });
    expect(
      read("s3://my-bucket", { AWS_ENDPOINT_URL_S3: "https://minio", AWS_REGION: "here" }),
    ).toMatchObject({
      endpoint: "https://minio",
      region: "here",
    });
  });

  test.each([
    ["HEARTH_PORT", "80a"],
    ["HEARTH_PORT", "65536"],
    ["HEARTH_PORT", "-1"],
    ["HEARTH_HOST", "a b"],
    ["HEARTH_ACCOUNT_ID", "1abc"],
    ["HEARTH_ACCOUNT_ID", "a-"],
    ["HEARTH_API_KEY", "sk-123"],
    ["HEARTH_API_KEY", "fw_short"],
    ["DATABASE_URL", "mysql://user:geheim@host/db"],
    ["HEARTH_MODEL_ALIASES", "gpt-4o"],
    ["HEARTH_MODEL_ALIASES", "a=accounts/x/models/y,a=accounts/x/models/z"],
    ["HEARTH_FALLBACK_MODEL", "gpt-4o"],
    ["HEARTH_ATTACHED_ENGINES", "accounts/local/models/m=ftp://x"],
    ["HEARTH_LAUNCHED_ENGINES", "vllm serve"],
    ["HEARTH_DEPLOYMENT_ENGINES", "vllm serve"],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"GPU":{"command":["x","{port}","{model}"]}}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":["x","{port}","{model}"]}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":{"command":["x","{port}"]}}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":{"command":["x","{port}","{model}","{gguf}"]}}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":{"command":["x","{port}","{model}","{other}"]}}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":{"command":["x","{port}","{model}"],"features":["magic"]}}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":{"command":["x","{port}","{model}"],"concurrency":0}}'],
    ["HEARTH_DEPLOYMENT_ENGINES", '{"CPU":{"command":["x","{port}","{model}"],"ports":1}}'],
    ["HEARTH_LAUNCHED_ENGINES", '["vllm"]'],
    ["HEARTH_LAUNCHED_ENGINES", '{"m":["vllm","{port}"]}'],
    ["HEARTH_LAUNCHED_ENGINES", '{"accounts/a/models/m":["vllm"]}'],
    ["HEARTH_LAUNCHED_ENGINES", '{"accounts/a/models/m":"vllm {port}"}'],
    ["HEARTH_LAUNCHED_ENGINES", '{"accounts/a/models/m":["vllm","{port}","{model}"]}'],
    ["HEARTH_ACCELERATORS", "8"],
    ["HEARTH_ACCELERATORS", "H100=8"],
    ["HEARTH_ACCELERATORS", "NVIDIA_H100_80GB=0"],
    ["HEARTH_REGION", "paris"],
    ["HEARTH_ENGINE_THREADS", "0"],
    ["HEARTH_LOG_LEVEL", "loud"],
    ["HEARTH_BLOB_STORE", "/var/blobs"],
    ["HEARTH_BLOB_STORE", "s3://"],
    ["HEARTH_BLOB_STORE", "s3://UPPER/x"],
    ["HEARTH_BLOB_STORE", "s3://bucket/a b"],
    ["HEARTH_BLOB_STORE", "s3://bucket?secret=geheim"],
    ["HEARTH_BLOB_STORE", "s3://bucket?endpoint=minio"],
    ["HEARTH_PUBLIC_URL", "hearth.example"],
    ["HF_ENDPOINT", "hub"],
    ["HEARTH_PROT", "8080"],
  ])("%s=%s stops the start with one line that names the setting and holds no secret", (name, value) => {
    const read = (): unknown => readConfig({ [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(new RegExp(`^${name}: [^\\n]+$`));
    expect(read).not.toThrow(/geheim/);
  });
});
