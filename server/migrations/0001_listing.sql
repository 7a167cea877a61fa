CREATE TABLE "listing_counts" (
	"table_name" text NOT NULL,
	"key" text NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "listing_counts_table_name_key_pk" PRIMARY KEY("table_name","key")
);
--> statement-breakpoint
-- Adds a statement's new or removed rows to the counts, by the column that the trigger names.
CREATE FUNCTION count_listing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		DELETE FROM listing_counts WHERE table_name = TG_TABLE_NAME;
		RETURN NULL;
	END IF;
	-- In the keys' order, so that two statements never wait for each other.
	EXECUTE format(
		'INSERT INTO listing_counts AS c (table_name, key, count)
		SELECT %L, %I, %s count(*) FROM changed GROUP BY 2 ORDER BY 2
		ON CONFLICT (table_name, key) DO UPDATE SET count = c.count + excluded.count',
		TG_TABLE_NAME, TG_ARGV[0], CASE TG_OP WHEN 'INSERT' THEN '+' ELSE '-' END);
	RETURN NULL;
END $$;
--> statement-breakpoint
-- Keeps counts of a table by a text column whose values never change: SELECT keep_listing_counts('models', 'account_id').
-- To be called in the migration that makes the table.
CREATE FUNCTION keep_listing_counts(counted text, by_column text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER count_inserted AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
		FOR EACH STATEMENT EXECUTE FUNCTION count_listing(%L)', counted, by_column);
	EXECUTE format('CREATE TRIGGER count_deleted AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
		FOR EACH STATEMENT EXECUTE FUNCTION count_listing(%L)', counted, by_column);
	EXECUTE format('CREATE TRIGGER count_truncated AFTER TRUNCATE ON %I
		FOR EACH STATEMENT EXECUTE FUNCTION count_listing(%L)', counted, by_column);
END $$;
