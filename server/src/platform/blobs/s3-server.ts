type Env = Readonly<Record<string, string | undefined>>;

/** Where buckets are. */
export interface S3Server {
  /** Base address; null: Amazon's own. */
  endpoint: string | null;
  region: string;
}

/** The server that AWS's usual variables name. */
export function s3ServerFromEnv(env: Env): S3Server {
  return {
    endpoint: env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"] ?? null,
    region: env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? "us-east-1",
  };
}
