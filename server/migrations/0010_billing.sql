-- What was written once stays as it is: corrections are new rows.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
--> statement-breakpoint
CREATE TABLE "billing_accounts" (
	"account_id" text PRIMARY KEY NOT NULL,
	"net_micros" bigint DEFAULT 0 NOT NULL,
	"received_micros" bigint DEFAULT 0 NOT NULL,
	"charged_micros" bigint DEFAULT 0 NOT NULL,
	"qualifying_micros" bigint DEFAULT 0 NOT NULL,
	"spend_limit_micros" bigint,
	"tier" text,
	"update_time" timestamp with time zone NOT NULL,
	CONSTRAINT "billing_accounts_net_check" CHECK ("billing_accounts"."net_micros" = "billing_accounts"."received_micros" - "billing_accounts"."charged_micros"),
	CONSTRAINT "billing_accounts_limit_check" CHECK ("billing_accounts"."spend_limit_micros" >= 0),
	CONSTRAINT "billing_accounts_tier_check" CHECK ("billing_accounts"."tier" in ('TIER_1', 'TIER_2', 'TIER_3', 'TIER_4', 'UNLIMITED'))
);
--> statement-breakpoint
CREATE TABLE "ledger_transactions" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"kind" text NOT NULL,
	"amount_micros" bigint NOT NULL,
	"idempotency_key" text NOT NULL,
	"reference" text NOT NULL,
	"description" text NOT NULL,
	"created_by" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	CONSTRAINT "ledger_transactions_idempotency_key_unique" UNIQUE("idempotency_key"),
	CONSTRAINT "ledger_transactions_amount_check" CHECK ("ledger_transactions"."amount_micros" > 0),
	CONSTRAINT "ledger_transactions_kind_check" CHECK ("ledger_transactions"."kind" in ('usage', 'waived_usage', 'reservation', 'payment', 'credit_purchase', 'credit_grant', 'adjustment'))
);
--> statement-breakpoint
CREATE INDEX "ledger_transactions_account_id_create_time_index" ON "ledger_transactions" USING btree ("account_id","create_time" desc,"id" desc);
--> statement-breakpoint
CREATE TABLE "ledger_entries" (
	"transaction_id" text NOT NULL REFERENCES "ledger_transactions"("id"),
	"ledger_account" text NOT NULL,
	"account_id" text NOT NULL,
	"micros" bigint NOT NULL,
	CONSTRAINT "ledger_entries_transaction_id_ledger_account_pk" PRIMARY KEY("transaction_id","ledger_account"),
	CONSTRAINT "ledger_entries_micros_check" CHECK ("ledger_entries"."micros" <> 0),
	CONSTRAINT "ledger_entries_ledger_account_check" CHECK ("ledger_entries"."ledger_account" in ('balance', 'credits', 'revenue', 'payments', 'adjustments'))
);
--> statement-breakpoint
CREATE FUNCTION check_ledger_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	checked text := CASE TG_TABLE_NAME WHEN 'ledger_entries' THEN to_jsonb(NEW)->>'transaction_id' ELSE to_jsonb(NEW)->>'id' END;
BEGIN
	IF (SELECT count(*) < 2 OR sum(micros) <> 0 FROM ledger_entries WHERE transaction_id = checked) THEN
		RAISE EXCEPTION 'the entries of transaction % do not add up to zero', checked USING ERRCODE = 'check_violation';
	END IF;
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON "ledger_transactions" DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION check_ledger_transaction();
--> statement-breakpoint
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON "ledger_entries" DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION check_ledger_transaction();
--> statement-breakpoint
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "ledger_transactions" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "ledger_entries" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TABLE "invoices" (
	"account_id" text NOT NULL,
	"id" text NOT NULL,
	"period_start" timestamp with time zone NOT NULL,
	"period_end" timestamp with time zone NOT NULL,
	"total_micros" bigint NOT NULL,
	"invoiced_before_micros" bigint NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	"due_time" timestamp with time zone NOT NULL,
	CONSTRAINT "invoices_account_id_id_pk" PRIMARY KEY("account_id","id")
);
--> statement-breakpoint
CREATE TABLE "billing_charges" (
	"transaction_id" text NOT NULL REFERENCES "ledger_transactions"("id"),
	"account_id" text NOT NULL,
	"hour" timestamp with time zone NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"micros" bigint NOT NULL,
	"waived" boolean NOT NULL,
	"invoice_id" text,
	CONSTRAINT "billing_charges_transaction_id_kind_subject_pk" PRIMARY KEY("transaction_id","kind","subject"),
	CONSTRAINT "billing_charges_micros_check" CHECK ("billing_charges"."micros" > 0),
	CONSTRAINT "billing_charges_invoice_fk" FOREIGN KEY ("account_id","invoice_id") REFERENCES "invoices"("account_id","id")
);
--> statement-breakpoint
CREATE INDEX "billing_charges_hour_index" ON "billing_charges" USING btree ("hour","account_id");
--> statement-breakpoint
CREATE INDEX "billing_charges_invoice_index" ON "billing_charges" USING btree ("account_id","invoice_id");
--> statement-breakpoint
CREATE TABLE "spend_alerts" (
	"account_id" text NOT NULL,
	"month" timestamp with time zone NOT NULL,
	"percent" integer NOT NULL,
	"limit_micros" bigint NOT NULL,
	"spent_micros" bigint NOT NULL,
	"create_time" timestamp with time zone NOT NULL,
	CONSTRAINT "spend_alerts_account_id_month_limit_micros_percent_pk" PRIMARY KEY("account_id","month","limit_micros","percent")
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"actor_account_id" text NOT NULL,
	"user_id" text NOT NULL,
	"key_id" text NOT NULL,
	"operation" text NOT NULL,
	"resource" text NOT NULL,
	"outcome" text NOT NULL,
	"request_id" text NOT NULL,
	"create_time" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "audit_log_account_id_create_time_index" ON "audit_log" USING btree ("account_id","create_time" desc,"id" desc);
--> statement-breakpoint
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_log" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
