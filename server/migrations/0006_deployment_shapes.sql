CREATE TABLE "deployment_shapes" (
	"account_id" text NOT NULL REFERENCES "accounts"("id"),
	"id" text NOT NULL,
	"version" integer NOT NULL,
	"spec" jsonb NOT NULL,
	"public_spec" jsonb,
	"created_by" text NOT NULL,
	"catalog_digest" text,
	"create_time" timestamp with time zone NOT NULL,
	"update_time" timestamp with time zone NOT NULL,
	CONSTRAINT "deployment_shapes_account_id_id_pk" PRIMARY KEY("account_id","id")
);
--> statement-breakpoint
CREATE INDEX "deployment_shapes_account_id_create_time_index" ON "deployment_shapes" USING btree ("account_id","create_time","id");
--> statement-breakpoint
CREATE TABLE "deployment_shape_versions" (
	"account_id" text NOT NULL,
	"shape_id" text NOT NULL,
	"version" integer NOT NULL,
	"id" text GENERATED ALWAYS AS ("version"::text) STORED NOT NULL,
	"spec" jsonb NOT NULL,
	"validated" boolean NOT NULL,
	"public" boolean NOT NULL,
	"latest_validated" boolean NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	CONSTRAINT "deployment_shape_versions_account_id_shape_id_version_pk" PRIMARY KEY("account_id","shape_id","version"),
	CONSTRAINT "deployment_shape_versions_shape_fk" FOREIGN KEY ("account_id","shape_id") REFERENCES "deployment_shapes"("account_id","id") ON DELETE CASCADE
);
