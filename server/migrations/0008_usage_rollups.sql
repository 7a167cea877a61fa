ALTER TABLE "usage_records" ADD COLUMN "user_id" text DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "usage_records" ADD COLUMN "deployment" text DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "usage_records" ADD COLUMN "kind" text DEFAULT 'text' NOT NULL;
--> statement-breakpoint
ALTER TABLE "usage_records" ADD COLUMN "quantity" bigint DEFAULT 0 NOT NULL;
--> statement-breakpoint
ALTER TABLE "usage_records" ADD COLUMN "cost_micros" bigint DEFAULT 0 NOT NULL;
--> statement-breakpoint
CREATE TABLE "usage_hourly" (
	"account_id" text NOT NULL,
	"user_id" text NOT NULL,
	"key_id" text NOT NULL,
	"model" text NOT NULL,
	"deployment" text NOT NULL,
	"kind" text NOT NULL,
	"hour" timestamp with time zone NOT NULL,
	"requests" bigint NOT NULL,
	"prompt_tokens" bigint NOT NULL,
	"cached_tokens" bigint NOT NULL,
	"completion_tokens" bigint NOT NULL,
	"quantity" bigint NOT NULL,
	"cost_micros" bigint NOT NULL,
	CONSTRAINT "usage_hourly_pk" PRIMARY KEY("account_id","hour","model","deployment","key_id","user_id","kind")
);
--> statement-breakpoint
CREATE INDEX "usage_hourly_hour_index" ON "usage_hourly" USING brin ("hour");
--> statement-breakpoint
CREATE TABLE "usage_daily" (
	"account_id" text NOT NULL,
	"user_id" text NOT NULL,
	"key_id" text NOT NULL,
	"model" text NOT NULL,
	"deployment" text NOT NULL,
	"kind" text NOT NULL,
	"day" timestamp with time zone NOT NULL,
	"requests" bigint NOT NULL,
	"prompt_tokens" bigint NOT NULL,
	"cached_tokens" bigint NOT NULL,
	"completion_tokens" bigint NOT NULL,
	"quantity" bigint NOT NULL,
	"cost_micros" bigint NOT NULL,
	CONSTRAINT "usage_daily_pk" PRIMARY KEY("account_id","day","model","deployment","key_id","user_id","kind")
);
--> statement-breakpoint
CREATE INDEX "usage_daily_day_index" ON "usage_daily" USING brin ("day");
--> statement-breakpoint
INSERT INTO "usage_hourly" ("account_id", "user_id", "key_id", "model", "deployment", "kind", "hour", "requests", "prompt_tokens", "cached_tokens", "completion_tokens", "quantity", "cost_micros")
SELECT "account_id", "user_id", "key_id", "model", "deployment", "kind", date_trunc('hour', "started_at", 'UTC'), count(*), sum("prompt_tokens"), sum("cached_tokens"), sum("completion_tokens"), 0, 0
FROM "usage_records" GROUP BY "account_id", "user_id", "key_id", "model", "deployment", "kind", date_trunc('hour', "started_at", 'UTC');
--> statement-breakpoint
INSERT INTO "usage_daily" ("account_id", "user_id", "key_id", "model", "deployment", "kind", "day", "requests", "prompt_tokens", "cached_tokens", "completion_tokens", "quantity", "cost_micros")
SELECT "account_id", "user_id", "key_id", "model", "deployment", "kind", date_trunc('day', "started_at", 'UTC'), count(*), sum("prompt_tokens"), sum("cached_tokens"), sum("completion_tokens"), 0, 0
FROM "usage_records" GROUP BY "account_id", "user_id", "key_id", "model", "deployment", "kind", date_trunc('day', "started_at", 'UTC');
