-- AlterTable
ALTER TABLE "provider_connection" ADD COLUMN "scope" TEXT NOT NULL DEFAULT '';
ALTER TABLE "provider_connection" ADD COLUMN "health" TEXT NOT NULL DEFAULT 'unjudged';
ALTER TABLE "provider_connection" ADD COLUMN "health_until" DATETIME;
ALTER TABLE "provider_connection" ADD COLUMN "reason_class" TEXT NOT NULL DEFAULT '';
ALTER TABLE "provider_connection" ADD COLUMN "failing_since" DATETIME;
ALTER TABLE "provider_connection" ADD COLUMN "under_way" JSONB;
ALTER TABLE "provider_connection" ADD COLUMN "rhythm" JSONB;
ALTER TABLE "provider_connection" ADD COLUMN "backfill" JSONB;
ALTER TABLE "provider_connection" ADD COLUMN "success_sequence" INTEGER;
ALTER TABLE "provider_connection" ADD COLUMN "data_sequence" INTEGER;
ALTER TABLE "provider_connection" ADD COLUMN "last_sequence" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "provider_connection" ADD COLUMN "change" BIGINT NOT NULL DEFAULT 0;
