ALTER TABLE "accounts" ADD COLUMN "spend_thresholds_micros" bigint[] DEFAULT '{}' NOT NULL;
--> statement-breakpoint
ALTER TABLE "billing_accounts"
	ADD COLUMN "payment_terms" text DEFAULT 'POSTPAID' NOT NULL,
	ADD CONSTRAINT "billing_accounts_payment_terms_check" CHECK ("billing_accounts"."payment_terms" in ('POSTPAID', 'PREPAID'));
--> statement-breakpoint
ALTER TABLE "spend_alerts" ADD COLUMN "threshold_micros" bigint;
--> statement-breakpoint
UPDATE "spend_alerts" SET "threshold_micros" = ("limit_micros" * "percent" + 99) / 100;
--> statement-breakpoint
ALTER TABLE "spend_alerts"
	ALTER COLUMN "threshold_micros" SET NOT NULL,
	DROP CONSTRAINT "spend_alerts_account_id_month_limit_micros_percent_pk",
	ALTER COLUMN "limit_micros" DROP NOT NULL,
	ADD CONSTRAINT "spend_alerts_account_id_month_percent_threshold_micros_pk" PRIMARY KEY("account_id","month","percent","threshold_micros");
--> statement-breakpoint
-- Entries may go when whoever deletes them says in the same transaction up to when they have expired, and not before.
CREATE FUNCTION refuse_early_expiry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD."create_time" < nullif(current_setting('hearth.audit_expired_before', true), '')::timestamptz THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
--> statement-breakpoint
DROP TRIGGER append_only ON "audit_log";
--> statement-breakpoint
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON "audit_log" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER append_only_rows BEFORE DELETE ON "audit_log" FOR EACH ROW EXECUTE FUNCTION refuse_early_expiry();
--> statement-breakpoint
CREATE TABLE "billing_modes" (
	"id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY NOT NULL,
	"enabled" boolean NOT NULL,
	"start_time" timestamp with time zone NOT NULL
);
--> statement-breakpoint
INSERT INTO "billing_modes" ("enabled", "start_time")
	SELECT true, now() WHERE EXISTS (SELECT FROM "billing_charges" WHERE NOT "waived");
