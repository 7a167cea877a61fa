CREATE TABLE "limit_states" (
	"subject" text NOT NULL,
	"gateway" text NOT NULL,
	"state" jsonb NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "limit_states_subject_gateway_pk" PRIMARY KEY("subject","gateway")
);
--> statement-breakpoint
CREATE INDEX "limit_states_updated_at_index" ON "limit_states" USING btree ("updated_at");
