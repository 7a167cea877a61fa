CREATE TABLE "limit_states" (
	"subject" text NOT NULL,
	"gateway" text NOT NULL,
	"state" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "limit_states_subject_gateway_pk" PRIMARY KEY("subject","gateway")
);
--> statement-breakpoint
CREATE INDEX "limit_states_updated_at_index" ON "limit_states" USING btree ("updated_at");
--> statement-breakpoint
CREATE TABLE "quotas" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"value" bigint,
	"max_value" bigint,
	"default_value" bigint NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	CONSTRAINT "quotas_account_id_id_pk" PRIMARY KEY("account_id","id")
);
--> statement-breakpoint
CREATE TABLE "reservations" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"display_name" text NOT NULL,
	"description" text NOT NULL,
	"region" text NOT NULL,
	"multi_region" text NOT NULL,
	"accelerator_type" text NOT NULL,
	"reserved_count" integer NOT NULL,
	"start_time" timestamp with time zone NOT NULL,
	"end_time" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	CONSTRAINT "reservations_account_id_id_pk" PRIMARY KEY("account_id","id"),
	CONSTRAINT "reservations_time_check" CHECK ("reservations"."start_time" < "reservations"."end_time")
);
--> statement-breakpoint
CREATE INDEX "reservations_account_id_create_time_index" ON "reservations" USING btree ("account_id","create_time","id");
