-- CreateTable
CREATE TABLE "provider_connection" (
    "user_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "first_attempt_at" DATETIME NOT NULL,
    "last_attempt_at" DATETIME NOT NULL,
    "last_success_at" DATETIME,
    "last_data_at" DATETIME,
    "consecutive_failures" INTEGER NOT NULL,
    "empty_successes" INTEGER NOT NULL,
    "source" TEXT NOT NULL,
    "last_run_id" TEXT NOT NULL,

    PRIMARY KEY ("user_id", "provider"),
    CONSTRAINT "provider_connection_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_sync_run" (
    "user_id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "stage" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "message" TEXT,
    "progress" REAL,
    "items_processed" INTEGER,
    "items_total" INTEGER,
    "error" TEXT,
    "primary_user_id" TEXT,
    "newest_primary_user_id" TEXT,
    "started_at" DATETIME,
    "ended_at" DATETIME,
    "last_event_at" DATETIME NOT NULL,
    "last_sequence" INTEGER NOT NULL,
    "event_count" INTEGER NOT NULL,
    "finished" BOOLEAN NOT NULL,
    "recorded_at" DATETIME NOT NULL,

    PRIMARY KEY ("user_id", "run_id"),
    CONSTRAINT "sync_run_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
-- For the runs that are there. The newest event of each is kept as long as the run.
INSERT INTO "new_sync_run" ("ended_at", "error", "event_count", "items_processed", "items_total", "last_event_at", "last_sequence", "message", "primary_user_id", "newest_primary_user_id", "progress", "provider", "run_id", "source", "stage", "started_at", "status", "user_id", "finished", "recorded_at") SELECT "ended_at", "error", "event_count", "items_processed", "items_total", "last_event_at", "last_sequence", "message", "primary_user_id", "newest_primary_user_id", "progress", "provider", "run_id", "source", "stage", "started_at", "status", "user_id",
    "status" IN ('success', 'partial', 'failed', 'cancelled', 'skipped'),
    COALESCE(
        (SELECT e."recorded_at" FROM "sync_event" e
            WHERE e."user_id" = "sync_run"."user_id" AND e."sequence" = "sync_run"."last_sequence"),
        "last_event_at"
    )
FROM "sync_run";
DROP TABLE "sync_run";
ALTER TABLE "new_sync_run" RENAME TO "sync_run";
CREATE INDEX "sync_run_user_id_last_sequence_idx" ON "sync_run"("user_id", "last_sequence");
CREATE INDEX "sync_run_recorded_at_user_id_run_id_idx" ON "sync_run"("recorded_at", "user_id", "run_id");
CREATE INDEX "sync_run_finished_last_event_at_user_id_run_id_idx" ON "sync_run"("finished", "last_event_at", "user_id", "run_id");
CREATE INDEX "sync_run_user_id_finished_last_event_at_run_id_idx" ON "sync_run"("user_id", "finished", "last_event_at", "run_id");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- What the runs so far add up to. The newest event of a run stands for its beginning and its end where they are not told.
INSERT INTO "provider_connection" (
    "user_id", "provider", "first_attempt_at", "last_attempt_at", "last_success_at", "last_data_at",
    "consecutive_failures", "empty_successes", "source", "last_run_id"
)
WITH "told" AS (
    SELECT "user_id", "provider", "run_id", "source", "status", "last_sequence",
        COALESCE("items_processed", -1) AS "items",
        MIN(COALESCE("started_at", "last_event_at"), "recorded_at") AS "began_at",
        MIN(COALESCE("ended_at", "last_event_at"), "recorded_at") AS "ended_at",
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
