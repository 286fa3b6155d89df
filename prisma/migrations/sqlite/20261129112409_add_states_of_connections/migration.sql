-- AlterTable
ALTER TABLE "user" ADD COLUMN "revision" INTEGER NOT NULL DEFAULT 0;

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_provider_connection" (
    "user_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'unknown',
    "state_since" DATETIME,
    "state_at" DATETIME,
    "problem" TEXT,
    "problem_sequence" INTEGER,
    "connection_id" TEXT,
    "connected_at" DATETIME,
    "revoked_at" DATETIME,
    "first_attempt_at" DATETIME,
    "last_attempt_at" DATETIME,
    "last_success_at" DATETIME,
    "last_data_at" DATETIME,
    "consecutive_failures" INTEGER NOT NULL,
    "empty_successes" INTEGER NOT NULL,
    "waiting_since" DATETIME,
    "source" TEXT,
    "last_run_id" TEXT,

    PRIMARY KEY ("user_id", "provider"),
    CONSTRAINT "provider_connection_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_provider_connection" ("consecutive_failures", "empty_successes", "first_attempt_at", "last_attempt_at", "last_data_at", "last_run_id", "last_success_at", "provider", "source", "user_id", "waiting_since") SELECT "consecutive_failures", "empty_successes", "first_attempt_at", "last_attempt_at", "last_data_at", "last_run_id", "last_success_at", "provider", "source", "user_id", "waiting_since" FROM "provider_connection";
DROP TABLE "provider_connection";
ALTER TABLE "new_provider_connection" RENAME TO "provider_connection";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
