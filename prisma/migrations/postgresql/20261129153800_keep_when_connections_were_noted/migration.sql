-- AlterTable
ALTER TABLE "provider_connection" ADD COLUMN     "noted_at" TIMESTAMPTZ(3);
