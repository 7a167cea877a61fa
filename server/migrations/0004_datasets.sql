CREATE TABLE "dataset_remains" (
	"uid" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"since" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "datasets" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"uid" text NOT NULL,
	"display_name" text NOT NULL,
	"state" text NOT NULL,
	"format" text NOT NULL,
	"example_count" bigint NOT NULL,
	"estimated_token_count" bigint NOT NULL,
	"average_turn_count" double precision NOT NULL,
	"source_job_name" text NOT NULL,
	"origin" jsonb NOT NULL,
	"source_uid" text,
	"status_code" text NOT NULL,
	"status_message" text NOT NULL,
	"files" jsonb NOT NULL,
	"created_by" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "datasets_account_id_id_pk" PRIMARY KEY("account_id","id"),
	CONSTRAINT "datasets_uid_unique" UNIQUE("uid")
);
--> statement-breakpoint
CREATE INDEX "dataset_remains_since_index" ON "dataset_remains" USING btree ("since");--> statement-breakpoint
CREATE INDEX "datasets_account_id_create_time_index" ON "datasets" USING btree ("account_id","create_time","id");--> statement-breakpoint
SELECT keep_listing_counts('datasets', 'account_id');
