-- DropIndex
DROP INDEX "sync_run_last_event_at_user_id_run_id_idx";

-- DropIndex
DROP INDEX "sync_run_user_id_last_event_at_run_id_idx";

-- AlterTable
ALTER TABLE "sync_run" ADD COLUMN     "finished" BOOLEAN NOT NULL DEFAULT false;

-- The runs that have finished before there was this column.
UPDATE "sync_run" SET "finished" = true WHERE "status" IN ('success', 'partial', 'failed', 'cancelled', 'skipped');

-- CreateTable
CREATE TABLE "provider_connection" (
    "user_id" UUID NOT NULL,
    "provider" TEXT NOT NULL,
    "first_attempt_at" TIMESTAMPTZ(3) NOT NULL,
    "last_attempt_at" TIMESTAMPTZ(3) NOT NULL,
    "last_success_at" TIMESTAMPTZ(3),
    "last_data_at" TIMESTAMPTZ(3),
    "consecutive_failures" INTEGER NOT NULL,
    "empty_successes" INTEGER NOT NULL,
    "source" TEXT NOT NULL,
    "last_run_id" TEXT NOT NULL,

    CONSTRAINT "provider_connection_pkey" PRIMARY KEY ("user_id","provider")
);

-- CreateIndex
CREATE INDEX "sync_run_finished_last_event_at_user_id_run_id_idx" ON "sync_run"("finished", "last_event_at", "user_id", "run_id");

-- CreateIndex
CREATE INDEX "sync_run_user_id_finished_last_event_at_run_id_idx" ON "sync_run"("user_id", "finished", "last_event_at", "run_id");

-- AddForeignKey
ALTER TABLE "provider_connection" ADD CONSTRAINT "provider_connection_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the runs so far add up to. A run's newest event stands for the time of its end, and what lies ahead for now.
INSERT INTO "provider_connection" (
    "user_id", "provider", "first_attempt_at", "last_attempt_at", "last_success_at", "last_data_at",
    "consecutive_failures", "empty_successes", "source", "last_run_id"
)
WITH "told" AS (
    SELECT "user_id", "provider", "run_id", "source", "status", "last_sequence",
        COALESCE("items_processed", -1) AS "items",
        LEAST(COALESCE("started_at", "last_event_at"), CURRENT_TIMESTAMP) AS "began_at",
        LEAST(COALESCE("ended_at", "last_event_at"), CURRENT_TIMESTAMP) AS "ended_at",
        CASE WHEN "status" IN ('success', 'partial') THEN "last_sequence" ELSE 0 END AS "success",
        CASE WHEN "status" IN ('success', 'partial') AND "items_processed" > 0 THEN "last_sequence" ELSE 0 END AS "data"
    FROM "sync_run"
), "ranked" AS (
    SELECT *,
        MAX("last_sequence") OVER (PARTITION BY "user_id", "provider") AS "newest",
        MAX("success") OVER (PARTITION BY "user_id", "provider") AS "newest_success",
        MAX("data") OVER (PARTITION BY "user_id", "provider") AS "newest_data"
    FROM "told"
)
SELECT "user_id", "provider", MIN("began_at"), MAX("began_at"),
    MAX(CASE WHEN "success" > 0 THEN "ended_at" END),
    MAX(CASE WHEN "data" > 0 THEN "ended_at" END),
    SUM(CASE WHEN "status" = 'failed' AND "last_sequence" > "newest_success" THEN 1 ELSE 0 END),
    SUM(CASE WHEN "success" > "newest_data" AND "items" = 0 THEN 1 ELSE 0 END),
    COALESCE(
        MAX(CASE WHEN "newest_success" > 0 AND "last_sequence" = "newest_success" THEN "source" END),
        MAX(CASE WHEN "last_sequence" = "newest" THEN "source" END)
    ),
    MAX(CASE WHEN "last_sequence" = "newest" THEN "run_id" END)
FROM "ranked" GROUP BY "user_id", "provider";
