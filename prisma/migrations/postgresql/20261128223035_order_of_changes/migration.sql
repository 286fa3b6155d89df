-- DropIndex
DROP INDEX "sync_run_recorded_at_user_id_run_id_idx";

-- AlterTable
ALTER TABLE "provider_connection" ADD COLUMN     "waiting_since" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "sync_run" ADD COLUMN     "change" BIGINT NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "user" ADD COLUMN     "head_recorded_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "log_state" (
    "name" TEXT NOT NULL,
    "change" BIGINT NOT NULL DEFAULT 0,
    "believed_at" TIMESTAMPTZ(3),
    "doubted_since" TIMESTAMPTZ(3),
    "doubted_at" TIMESTAMPTZ(3),

    CONSTRAINT "log_state_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "sync_run_change_user_id_run_id_idx" ON "sync_run"("change", "user_id", "run_id");

INSERT INTO "log_state" ("name") VALUES ('log');

UPDATE "user" SET "head_recorded_at" = (
    SELECT e."recorded_at" FROM "sync_event" e WHERE e."user_id" = "user"."id" AND e."sequence" = "user"."head_sequence");

-- A producer whose clock is ahead led the lists of runs.
UPDATE "sync_run" SET "last_event_at" = "recorded_at" WHERE "last_event_at" > "recorded_at";
