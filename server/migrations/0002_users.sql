ALTER TABLE "accounts" RENAME COLUMN "created_at" TO "create_time";
--> statement-breakpoint
ALTER TABLE "accounts"
	ADD COLUMN "display_name" text DEFAULT '' NOT NULL,
	ADD COLUMN "email" text DEFAULT '' NOT NULL,
	ADD COLUMN "account_type" text DEFAULT 'DEVELOPER' NOT NULL,
	ADD COLUMN "state" text DEFAULT 'READY' NOT NULL,
	ADD COLUMN "suspend_state" text DEFAULT 'UNSUSPENDED' NOT NULL,
	ADD COLUMN "update_time" timestamp with time zone;
--> statement-breakpoint
UPDATE "accounts" SET "update_time" = "create_time";
--> statement-breakpoint
ALTER TABLE "accounts" ALTER COLUMN "update_time" SET NOT NULL;
--> statement-breakpoint
INSERT INTO "accounts" ("id", "display_name", "create_time", "update_time")
	VALUES ('fireworks', 'Model library', now(), now()) ON CONFLICT DO NOTHING;
--> statement-breakpoint
INSERT INTO "accounts" ("id", "create_time", "update_time")
	SELECT "account_id", min("created_at"), min("created_at") FROM "api_keys" GROUP BY "account_id"
	ON CONFLICT DO NOTHING;
--> statement-breakpoint
CREATE TABLE "users" (
	"account_id" text NOT NULL REFERENCES "accounts"("id"),
	"id" text NOT NULL,
	"display_name" text NOT NULL,
	"email" text NOT NULL,
	"role" text NOT NULL,
	"service_account" boolean NOT NULL,
	"is_operator" boolean NOT NULL,
	"state" text DEFAULT 'READY' NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	CONSTRAINT "users_account_id_id_pk" PRIMARY KEY("account_id","id"),
	CONSTRAINT "users_role_check" CHECK ("users"."role" in ('admin', 'user', 'contributor', 'inference-user')),
	CONSTRAINT "users_operator_check" CHECK (not "users"."is_operator" or "users"."role" = 'admin')
);
--> statement-breakpoint
CREATE INDEX "users_account_id_create_time_index" ON "users" USING btree ("account_id","create_time","id");
--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_index" ON "users" USING btree ("account_id",lower("email")) WHERE "users"."email" <> '';
--> statement-breakpoint
CREATE UNIQUE INDEX "users_operator_index" ON "users" USING btree ("account_id") WHERE "users"."is_operator";
--> statement-breakpoint
-- Keys had a role of their own. Each (account, role) becomes a user; the start's own admin keys become the operator's.
ALTER TABLE "api_keys" ADD COLUMN "user_id" text;
--> statement-breakpoint
UPDATE "api_keys" SET "user_id" = CASE WHEN "role" = 'admin' AND "name" = 'bootstrap' THEN 'operator' ELSE "role" END;
--> statement-breakpoint
INSERT INTO "users" ("account_id", "id", "display_name", "email", "role", "service_account", "is_operator", "create_time", "update_time")
	SELECT "account_id", "user_id", '', '', "role", false, "user_id" = 'operator', min("created_at"), min("created_at")
	FROM "api_keys" GROUP BY "account_id", "user_id", "role";
--> statement-breakpoint
DROP INDEX "api_keys_account_id_index";
--> statement-breakpoint
ALTER TABLE "api_keys" DROP COLUMN "role";
--> statement-breakpoint
ALTER TABLE "api_keys" RENAME COLUMN "name" TO "display_name";
--> statement-breakpoint
ALTER TABLE "api_keys" RENAME COLUMN "created_at" TO "create_time";
--> statement-breakpoint
ALTER TABLE "api_keys" RENAME COLUMN "expires_at" TO "expire_time";
--> statement-breakpoint
ALTER TABLE "api_keys" RENAME COLUMN "disabled_at" TO "delete_time";
--> statement-breakpoint
ALTER TABLE "api_keys"
	ALTER COLUMN "user_id" SET NOT NULL,
	ADD COLUMN "annotations" jsonb DEFAULT '{}' NOT NULL,
	ADD COLUMN "last_used_time" timestamp with time zone,
	ADD CONSTRAINT "api_keys_user_fk" FOREIGN KEY ("account_id","user_id") REFERENCES "users"("account_id","id") ON DELETE CASCADE;
--> statement-breakpoint
ALTER TABLE "api_keys" ALTER COLUMN "annotations" DROP DEFAULT;
--> statement-breakpoint
CREATE INDEX "api_keys_account_id_create_time_index" ON "api_keys" USING btree ("account_id","create_time","id");
