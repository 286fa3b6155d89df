-- AlterTable
ALTER TABLE "provider_data_type" ADD COLUMN "runs_ahead" JSONB;

-- AlterTable
ALTER TABLE "sync_run_data_type" ADD COLUMN "items_ahead" INTEGER NOT NULL DEFAULT 0;
