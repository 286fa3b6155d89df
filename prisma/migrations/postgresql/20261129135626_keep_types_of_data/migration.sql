-- AlterTable
ALTER TABLE "sync_event" ADD COLUMN     "data_types" JSONB;

-- AlterTable
ALTER TABLE "sync_run_data_type" ADD COLUMN     "days_with_data" INTEGER,
ADD COLUMN     "newest_data" TIMESTAMPTZ(3),
ADD COLUMN     "told_sequence" INTEGER,
ADD COLUMN     "reason" JSONB,
ADD COLUMN     "requested_end" TIMESTAMPTZ(3),
ADD COLUMN     "requested_start" TIMESTAMPTZ(3),
ADD COLUMN     "state" TEXT;

-- CreateTable
CREATE TABLE "provider_data_type" (
    "user_id" UUID NOT NULL,
    "provider" TEXT NOT NULL,
    "data_type" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "state" TEXT,
    "native_type" TEXT,
    "reported_records" INTEGER,
    "items_inserted" INTEGER NOT NULL,
    "items_updated" INTEGER NOT NULL,
    "requested_start" TIMESTAMPTZ(3),
    "requested_end" TIMESTAMPTZ(3),
    "covered_start" TIMESTAMPTZ(3),
    "covered_end" TIMESTAMPTZ(3),
    "days_with_data" INTEGER,
    "newest_data" TIMESTAMPTZ(3),
    "error_code" TEXT,
    "error" TEXT,
    "reason" JSONB,
    "told_sequence" INTEGER,
    "attempts" INTEGER NOT NULL,
    "told_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "provider_data_type_pkey" PRIMARY KEY ("user_id","provider","data_type")
);

-- AddForeignKey
ALTER TABLE "provider_data_type" ADD CONSTRAINT "provider_data_type_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;
