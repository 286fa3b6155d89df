-- AlterTable
ALTER TABLE "sync_event" ADD COLUMN "extra" JSONB;
ALTER TABLE "sync_event" ADD COLUMN "scope" TEXT;
ALTER TABLE "sync_event" ADD COLUMN "window_end" DATETIME;
ALTER TABLE "sync_event" ADD COLUMN "window_start" DATETIME;

-- AlterTable
ALTER TABLE "sync_run" ADD COLUMN "newest_started_at" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "newest_at" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "scope" TEXT;
ALTER TABLE "sync_run" ADD COLUMN "window_start" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "window_end" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "opened_at" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "trace_id" TEXT;
ALTER TABLE "sync_run" ADD COLUMN "milestone_at" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "milestone_status" TEXT;
ALTER TABLE "sync_run" ADD COLUMN "milestone_error" TEXT;
ALTER TABLE "sync_run" ADD COLUMN "last_ended_at" DATETIME;
ALTER TABLE "sync_run" ADD COLUMN "attempts" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "failed_attempts" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "reopened" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "sync_run" ADD COLUMN "batch_count" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "failed_batch_count" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "items_inserted" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "items_updated" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "items_late" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "sync_run" ADD COLUMN "folded_sequence" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "sync_run_batch" (
    "user_id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "batch_id" TEXT NOT NULL,
    "ended_at" DATETIME,
    "failed" BOOLEAN NOT NULL,

    PRIMARY KEY ("user_id", "run_id", "batch_id"),
    CONSTRAINT "sync_run_batch_user_id_run_id_fkey" FOREIGN KEY ("user_id", "run_id") REFERENCES "sync_run" ("user_id", "run_id") ON DELETE CASCADE ON UPDATE CASCADE
);
