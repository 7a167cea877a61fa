CREATE INDEX "usage_records_started_at_index" ON "usage_records" USING brin ("started_at");
