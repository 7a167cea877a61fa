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
