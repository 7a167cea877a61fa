type Env = Readonly<Record<string, string | undefined>>;

/** An S3 server. */
export interface S3Server {
  /** Base URL; null: Amazon's. */
  endpoint: string | null;
  region: string;
}

/** The server configured by AWS's environment variables. */
export function s3ServerFromEnv(env: Env): S3Server {
  return {
    endpoint: env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"] ?? null,
    region: env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? "us-east-1",
  };
}
