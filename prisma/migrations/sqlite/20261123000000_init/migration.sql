-- CreateTable
CREATE TABLE "user" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "external_user_id" TEXT,
    "email" TEXT,
    "first_name" TEXT,
    "last_name" TEXT,
    "created_at" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "head_sequence" INTEGER NOT NULL DEFAULT 0,
    "tail_sequence" INTEGER NOT NULL DEFAULT 1
);

-- CreateTable
CREATE TABLE "sync_event" (
    "user_id" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "id" TEXT NOT NULL,
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
    "metadata" JSONB NOT NULL,
    "started_at" DATETIME,
    "ended_at" DATETIME,
    "timestamp" DATETIME NOT NULL,
    "recorded_at" DATETIME NOT NULL,
    "late" BOOLEAN NOT NULL,

    PRIMARY KEY ("user_id", "sequence"),
    CONSTRAINT "sync_event_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "sync_run" (
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
    "started_at" DATETIME,
    "ended_at" DATETIME,
    "last_event_at" DATETIME NOT NULL,
    "last_sequence" INTEGER NOT NULL,
    "event_count" INTEGER NOT NULL,

    PRIMARY KEY ("user_id", "run_id"),
    CONSTRAINT "sync_run_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "secret_hash" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" DATETIME,
    "revoked_at" DATETIME
);

-- CreateIndex
CREATE UNIQUE INDEX "user_external_user_id_key" ON "user"("external_user_id");

-- CreateIndex
CREATE INDEX "user_created_at_id_idx" ON "user"("created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "sync_event_id_key" ON "sync_event"("id");

-- CreateIndex
CREATE INDEX "sync_event_user_id_run_id_sequence_idx" ON "sync_event"("user_id", "run_id", "sequence");

-- CreateIndex
CREATE INDEX "sync_run_user_id_last_sequence_idx" ON "sync_run"("user_id", "last_sequence");

-- CreateIndex
CREATE INDEX "sync_run_last_event_at_user_id_run_id_idx" ON "sync_run"("last_event_at", "user_id", "run_id");

-- CreateIndex
CREATE INDEX "sync_run_user_id_last_event_at_run_id_idx" ON "sync_run"("user_id", "last_event_at", "run_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_secret_hash_key" ON "api_key"("secret_hash");
