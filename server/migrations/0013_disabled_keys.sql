ALTER TABLE "api_keys" ADD COLUMN "disabled" boolean DEFAULT false NOT NULL;
