-- AlterTable
ALTER TABLE "user" ADD COLUMN "search_text" TEXT;

-- AlterTable
ALTER TABLE "log_state" ADD COLUMN "search_filled" BOOLEAN NOT NULL DEFAULT false;

-- The server folds the texts of users that are there, after its start.
UPDATE "log_state" SET "search_filled" = true WHERE NOT EXISTS (SELECT 1 FROM "user");
