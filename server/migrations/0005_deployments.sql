CREATE TABLE "work_items" (
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"lease_until" timestamp with time zone,
	"lease_token" text,
	"failures" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "work_items_kind_key_pk" PRIMARY KEY("kind","key")
);
--> statement-breakpoint
CREATE INDEX "work_items_next_index" ON "work_items" USING btree ("kind",coalesce("lease_until", "due_at"));
--> statement-breakpoint
CREATE TABLE "deployments" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"state" text NOT NULL,
	"status_code" text NOT NULL,
	"status_message" text NOT NULL,
	"base_model" text NOT NULL,
	"served_model" text NOT NULL,
	"created_by" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	"delete_time" timestamp with time zone,
	"purge_time" timestamp with time zone,
	"last_used_time" timestamp with time zone NOT NULL,
	"fixed_replicas" integer,
	"spec" jsonb NOT NULL,
	"direct_route_keys" jsonb NOT NULL,
	"observed" jsonb NOT NULL,
	CONSTRAINT "deployments_account_id_id_pk" PRIMARY KEY("account_id","id"),
	CONSTRAINT "deployments_state_check" CHECK ("deployments"."state" in ('CREATING', 'READY', 'UPDATING', 'FAILED', 'DELETING', 'DELETED'))
);
--> statement-breakpoint
CREATE INDEX "deployments_account_id_create_time_index" ON "deployments" USING btree ("account_id","create_time","id");
--> statement-breakpoint
CREATE INDEX "deployments_base_model_index" ON "deployments" USING btree ("base_model");
--> statement-breakpoint
CREATE INDEX "deployments_served_model_index" ON "deployments" USING btree ("served_model");
--> statement-breakpoint
CREATE INDEX "deployments_draft_model_index" ON "deployments" USING btree (("spec"->>'draftModel')) WHERE "deployments"."spec" ? 'draftModel';
--> statement-breakpoint
CREATE TABLE "deployment_events" (
	"account_id" text NOT NULL,
	"deployment_id" text NOT NULL,
	"seq" bigint GENERATED ALWAYS AS IDENTITY (sequence name "deployment_events_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"time" timestamp with time zone NOT NULL,
	"type" text NOT NULL,
	"message" text NOT NULL,
	CONSTRAINT "deployment_events_account_id_deployment_id_seq_pk" PRIMARY KEY("account_id","deployment_id","seq")
);
--> statement-breakpoint
CREATE TABLE "deployed_models" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"model" text NOT NULL,
	"served_model" text NOT NULL,
	"deployment" text NOT NULL,
	"serverless" boolean NOT NULL,
	"is_addon" boolean NOT NULL,
	"is_merged" boolean NOT NULL,
	"is_default" boolean NOT NULL,
	"is_public" boolean NOT NULL,
	"is_hidden" boolean NOT NULL,
	"state" text NOT NULL,
	"status_code" text NOT NULL,
	"status_message" text NOT NULL,
	"display_name" text NOT NULL,
	"description" text NOT NULL,
	"created_by" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	"last_used_time" timestamp with time zone NOT NULL,
	CONSTRAINT "deployed_models_account_id_id_pk" PRIMARY KEY("account_id","id"),
	CONSTRAINT "deployed_models_state_check" CHECK ("deployed_models"."state" in ('UNDEPLOYING', 'DEPLOYING', 'DEPLOYED', 'UPDATING'))
);
--> statement-breakpoint
CREATE INDEX "deployed_models_account_id_create_time_index" ON "deployed_models" USING btree ("account_id","create_time","id");
--> statement-breakpoint
CREATE INDEX "deployed_models_model_index" ON "deployed_models" USING btree ("model");
--> statement-breakpoint
CREATE UNIQUE INDEX "deployed_models_deployment_index" ON "deployed_models" USING btree ("deployment","model","account_id");
--> statement-breakpoint
CREATE UNIQUE INDEX "deployed_models_default_index" ON "deployed_models" USING btree ("account_id","model") WHERE "deployed_models"."is_default";
