CREATE TABLE "models" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"uid" text NOT NULL,
	"display_name" text NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"public" boolean NOT NULL,
	"spec" jsonb NOT NULL,
	"facts" jsonb,
	"files" jsonb NOT NULL,
	"precisions" jsonb NOT NULL,
	"preparing" text,
	"imported_from" text NOT NULL,
	"status_code" text NOT NULL,
	"status_message" text NOT NULL,
	"catalog_digest" text,
	"created_by" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "models_account_id_id_pk" PRIMARY KEY("account_id","id"),
	CONSTRAINT "models_uid_unique" UNIQUE("uid")
);
--> statement-breakpoint
CREATE INDEX "models_account_id_create_time_index" ON "models" USING btree ("account_id","create_time","id");--> statement-breakpoint
SELECT keep_listing_counts('models', 'account_id');
--> statement-breakpoint
CREATE TABLE "model_versions" (
	"model_uid" text NOT NULL,
	"id" text NOT NULL,
	"snapshot" jsonb NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	CONSTRAINT "model_versions_model_uid_id_pk" PRIMARY KEY("model_uid","id"),
	CONSTRAINT "model_versions_model_uid_models_uid_fk" FOREIGN KEY ("model_uid") REFERENCES "models"("uid") ON DELETE cascade ON UPDATE cascade
);
