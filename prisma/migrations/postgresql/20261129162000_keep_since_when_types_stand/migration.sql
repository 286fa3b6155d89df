-- AlterTable
ALTER TABLE "provider_data_type" ADD COLUMN     "state_since" TIMESTAMPTZ(3);
