import { S3Client } from "@aws-sdk/client-s3";
import type { S3Server } from "./s3-server.ts";

export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A server that sends nothing for this long counts as dead. */
const STALL_TIMEOUT_MS = 60_000;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * @param access `environment`: AWS's environment variables, else the credentials of the machine; `none`: public buckets
 * only.
 */
export function createS3Client(
  { endpoint, region }: S3Server,
  access: S3Credentials | { environment: Env } | "none",
): S3Client {
  return new S3Client({
    region,
    // The bucket may be in another region than the configured one.
    followRegionRedirects: true,
    // Most servers other than Amazon's have no host name for each bucket, and no newer checksums.
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: STALL_TIMEOUT_MS },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...credentialsOf(access),
  });
}

function credentialsOf(access: S3Credentials | { environment: Env } | "none"): object {
  if (access === "none") return { signer: { sign: async (request: unknown) => request } };
  if (!("environment" in access)) return { credentials: access };
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = access.environment;
  if (accessKeyId === undefined || secretAccessKey === undefined) return {};
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  };
}
