-- CreateTable
CREATE TABLE "deleted_user" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "deleted_at" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "source" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "holder" TEXT,
    "held_until" BIGINT NOT NULL DEFAULT 0,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "connected_at" DATETIME,
    "last_event_at" DATETIME,
    "lag_ms" INTEGER,
    "recorded" BIGINT NOT NULL DEFAULT 0,
    "duplicates" BIGINT NOT NULL DEFAULT 0,
    "ignored" BIGINT NOT NULL DEFAULT 0,
    "quarantined" BIGINT NOT NULL DEFAULT 0,
    "backfill_started_at" DATETIME,
    "backfill_ended_at" DATETIME,
    "backfill_users" INTEGER NOT NULL DEFAULT 0,
    "backfill_entries" INTEGER NOT NULL DEFAULT 0,
    "last_error" TEXT,
    "last_error_at" DATETIME
);

-- CreateTable
CREATE TABLE "quarantined_entry" (
    "fingerprint" TEXT NOT NULL PRIMARY KEY,
    "source" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "place" TEXT NOT NULL,
    "payload" TEXT,
    "payload_bytes" INTEGER NOT NULL,
    "first_seen_at" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "quarantined_entry_source_first_seen_at_fingerprint_idx" ON "quarantined_entry"("source", "first_seen_at", "fingerprint");
