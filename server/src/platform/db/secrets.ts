import { randomBytes } from "node:crypto";
import { eq } from "drizzle-orm";
import type { Database } from "./database.ts";
import { platformSecrets } from "./table.ts";

/** The installation's secret with that name: 32 random bytes, created on first use. */
export async function platformSecret({ db }: Pick<Database, "db">, name: string): Promise<Buffer> {
  const value = randomBytes(32).toString("base64url");
  await db.insert(platformSecrets).values({ name, value }).onConflictDoNothing();
  const [row] = await db.select().from(platformSecrets).where(eq(platformSecrets.name, name));
  if (row === undefined) throw new Error(`The platform secret ${name} can't be stored.`);
  return Buffer.from(row.value, "base64url");
}
