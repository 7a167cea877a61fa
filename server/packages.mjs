// For npm start: the platform's packages, loaded before the loader of TypeScript, under which each of their many files takes
// several times as long. Without this, or with a name too few or too many, everything works and the start is slower.
const NAMES = [
  "@aws-sdk/client-s3",
  "@aws-sdk/s3-request-presigner",
  "@fastify/multipart",
  "@huggingface/jinja",
  "drizzle-orm",
  "drizzle-orm/pg-core",
  "drizzle-orm/postgres-js",
  "drizzle-orm/postgres-js/migrator",
  "fastify",
  "pino",
  "postgres",
  "prom-client",
  "typebox",
  "typebox/compile",
  "typebox/value",
  "undici",
];
await Promise.allSettled(NAMES.map((name) => import(name)));
