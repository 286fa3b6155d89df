-- AlterTable
ALTER TABLE "user" ADD COLUMN "folded_from" TEXT;
