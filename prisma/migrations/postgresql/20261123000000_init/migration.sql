-- CreateTable
CREATE TABLE "user" (
    "id" UUID NOT NULL,
    "external_user_id" TEXT,
    "email" TEXT,
    "first_name" TEXT,
    "last_name" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "head_sequence" INTEGER NOT NULL DEFAULT 0,
    "tail_sequence" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sync_event" (
    "user_id" UUID NOT NULL,
    "sequence" INTEGER NOT NULL,
    "id" UUID NOT NULL,
    "run_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "stage" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "message" TEXT,
    "progress" DOUBLE PRECISION,
    "items_processed" INTEGER,
    "items_total" INTEGER,
    "error" TEXT,
    "primary_user_id" UUID,
    "metadata" JSONB NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),
    "timestamp" TIMESTAMPTZ(3) NOT NULL,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL,
    "late" BOOLEAN NOT NULL,

    CONSTRAINT "sync_event_pkey" PRIMARY KEY ("user_id","sequence")
);

-- CreateTable
CREATE TABLE "sync_run" (
    "user_id" UUID NOT NULL,
    "run_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "stage" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "message" TEXT,
    "progress" DOUBLE PRECISION,
    "items_processed" INTEGER,
    "items_total" INTEGER,
    "error" TEXT,
    "primary_user_id" UUID,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),
    "last_event_at" TIMESTAMPTZ(3) NOT NULL,
    "last_sequence" INTEGER NOT NULL,
    "event_count" INTEGER NOT NULL,

    CONSTRAINT "sync_run_pkey" PRIMARY KEY ("user_id","run_id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "secret_hash" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
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

-- AddForeignKey
ALTER TABLE "sync_event" ADD CONSTRAINT "sync_event_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sync_run" ADD CONSTRAINT "sync_run_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;
