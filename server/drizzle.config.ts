import { defineConfig } from "drizzle-kit";

/** `npx drizzle-kit generate --config server/drizzle.config.ts --name <what changed>` writes the next migration. */
export default defineConfig({
  dialect: "postgresql",
  schema: "./server/src/**/table.ts",
  out: "./server/migrations",
});
