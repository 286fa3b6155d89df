-- AlterTable
ALTER TABLE "provider_connection" ADD COLUMN     "backfill" JSONB,
ADD COLUMN     "change" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "data_sequence" INTEGER,
ADD COLUMN     "failing_since" TIMESTAMPTZ(3),
ADD COLUMN     "health" TEXT NOT NULL DEFAULT 'unjudged',
ADD COLUMN     "health_until" TIMESTAMPTZ(3),
ADD COLUMN     "last_sequence" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "reason_class" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "rhythm" JSONB,
ADD COLUMN     "scope" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "success_sequence" INTEGER,
ADD COLUMN     "under_way" JSONB;
