-- CreateTable
CREATE TABLE "deleted_user" (
    "id" UUID NOT NULL,
    "deleted_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "deleted_user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "source" (
    "name" TEXT NOT NULL,
    "holder" TEXT,
    "held_until" BIGINT NOT NULL DEFAULT 0,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "connected_at" TIMESTAMPTZ(3),
    "last_event_at" TIMESTAMPTZ(3),
    "lag_ms" INTEGER,
    "recorded" BIGINT NOT NULL DEFAULT 0,
    "duplicates" BIGINT NOT NULL DEFAULT 0,
    "ignored" BIGINT NOT NULL DEFAULT 0,
    "quarantined" BIGINT NOT NULL DEFAULT 0,
    "backfill_started_at" TIMESTAMPTZ(3),
    "backfill_ended_at" TIMESTAMPTZ(3),
    "backfill_users" INTEGER NOT NULL DEFAULT 0,
    "backfill_entries" INTEGER NOT NULL DEFAULT 0,
    "last_error" TEXT,
    "last_error_at" TIMESTAMPTZ(3),

    CONSTRAINT "source_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "quarantined_entry" (
    "fingerprint" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "place" TEXT NOT NULL,
    "payload" TEXT,
    "payload_bytes" INTEGER NOT NULL,
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "quarantined_entry_pkey" PRIMARY KEY ("fingerprint")
);

-- CreateIndex
CREATE INDEX "quarantined_entry_source_first_seen_at_fingerprint_idx" ON "quarantined_entry"("source", "first_seen_at", "fingerprint");
