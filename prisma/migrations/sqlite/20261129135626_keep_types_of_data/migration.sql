-- AlterTable
ALTER TABLE "sync_event" ADD COLUMN "data_types" JSONB;

-- AlterTable
ALTER TABLE "sync_run_data_type" ADD COLUMN "days_with_data" INTEGER;
ALTER TABLE "sync_run_data_type" ADD COLUMN "newest_data" DATETIME;
ALTER TABLE "sync_run_data_type" ADD COLUMN "told_sequence" INTEGER;
ALTER TABLE "sync_run_data_type" ADD COLUMN "reason" JSONB;
ALTER TABLE "sync_run_data_type" ADD COLUMN "requested_end" DATETIME;
ALTER TABLE "sync_run_data_type" ADD COLUMN "requested_start" DATETIME;
ALTER TABLE "sync_run_data_type" ADD COLUMN "state" TEXT;

-- CreateTable
CREATE TABLE "provider_data_type" (
    "user_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "data_type" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "state" TEXT,
    "native_type" TEXT,
    "reported_records" INTEGER,
    "items_inserted" INTEGER NOT NULL,
    "items_updated" INTEGER NOT NULL,
    "requested_start" DATETIME,
    "requested_end" DATETIME,
    "covered_start" DATETIME,
    "covered_end" DATETIME,
    "days_with_data" INTEGER,
    "newest_data" DATETIME,
    "error_code" TEXT,
    "error" TEXT,
    "reason" JSONB,
    "told_sequence" INTEGER,
    "attempts" INTEGER NOT NULL,
    "told_at" DATETIME NOT NULL,

    PRIMARY KEY ("user_id", "provider", "data_type"),
    CONSTRAINT "provider_data_type_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
