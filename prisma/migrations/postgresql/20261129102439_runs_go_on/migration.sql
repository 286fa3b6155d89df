-- AlterTable
ALTER TABLE "sync_event" ADD COLUMN     "extra" JSONB,
ADD COLUMN     "scope" TEXT,
ADD COLUMN     "window_end" TIMESTAMPTZ(3),
ADD COLUMN     "window_start" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "sync_run" ADD COLUMN     "attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "batch_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "failed_attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "failed_batch_count" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "folded_sequence" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "items_inserted" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "items_late" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "items_updated" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "last_ended_at" TIMESTAMPTZ(3),
ADD COLUMN     "milestone_at" TIMESTAMPTZ(3),
ADD COLUMN     "milestone_error" TEXT,
ADD COLUMN     "milestone_status" TEXT,
ADD COLUMN     "newest_at" TIMESTAMPTZ(3),
ADD COLUMN     "newest_started_at" TIMESTAMPTZ(3),
ADD COLUMN     "opened_at" TIMESTAMPTZ(3),
ADD COLUMN     "reopened" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "scope" TEXT,
ADD COLUMN     "trace_id" TEXT,
ADD COLUMN     "window_end" TIMESTAMPTZ(3),
ADD COLUMN     "window_start" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "sync_run_batch" (
    "user_id" UUID NOT NULL,
    "run_id" TEXT NOT NULL,
    "batch_id" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(3),
    "failed" BOOLEAN NOT NULL,

    CONSTRAINT "sync_run_batch_pkey" PRIMARY KEY ("user_id","run_id","batch_id")
);

-- AddForeignKey
ALTER TABLE "sync_run_batch" ADD CONSTRAINT "sync_run_batch_user_id_run_id_fkey" FOREIGN KEY ("user_id", "run_id") REFERENCES "sync_run"("user_id", "run_id") ON DELETE CASCADE ON UPDATE CASCADE;
