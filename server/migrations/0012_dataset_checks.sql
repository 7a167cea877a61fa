ALTER TABLE "datasets" ADD COLUMN "check_id" text;
