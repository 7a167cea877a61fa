CREATE TABLE "accounts" (
	"id" text PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"name" text NOT NULL,
	"prefix" text NOT NULL,
	"digest" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"disabled_at" timestamp with time zone,
	CONSTRAINT "api_keys_digest_unique" UNIQUE("digest"),
	CONSTRAINT "api_keys_role_check" CHECK ("api_keys"."role" in ('admin', 'user'))
);
--> statement-breakpoint
CREATE TABLE "platform_secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_records" (
	"id" uuid PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"key_id" text NOT NULL,
	"endpoint" text NOT NULL,
	"model" text NOT NULL,
	"replica" text,
	"prompt_tokens" integer NOT NULL,
	"cached_tokens" integer NOT NULL,
	"completion_tokens" integer NOT NULL,
	"time_to_first_token_ms" double precision,
	"duration_ms" double precision NOT NULL,
	"outcome" text NOT NULL,
	"status" smallint NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	CONSTRAINT "usage_records_outcome_check" CHECK ("usage_records"."outcome" in ('ok', 'cancelled', 'error', 'rejected', 'interrupted'))
);
--> statement-breakpoint
CREATE INDEX "api_keys_account_id_index" ON "api_keys" USING btree ("account_id");--> statement-breakpoint
CREATE INDEX "usage_records_account_id_started_at_index" ON "usage_records" USING btree ("account_id","started_at");