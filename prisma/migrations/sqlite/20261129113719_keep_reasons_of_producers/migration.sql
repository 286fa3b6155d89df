-- AlterTable
ALTER TABLE "sync_event" ADD COLUMN "reason" JSONB;

-- AlterTable
ALTER TABLE "sync_run" ADD COLUMN "failed_sequence" INTEGER;
