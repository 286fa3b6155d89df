-- AlterTable
ALTER TABLE "api_key" ADD COLUMN "prefix" TEXT;
ALTER TABLE "api_key" ADD COLUMN "previous_hash" TEXT;
ALTER TABLE "api_key" ADD COLUMN "previous_ends_at" DATETIME;
ALTER TABLE "api_key" ADD COLUMN "rotations" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "api_key" ADD COLUMN "last_used_at" DATETIME;

-- CreateIndex
CREATE UNIQUE INDEX "api_key_previous_hash_key" ON "api_key"("previous_hash");

-- CreateIndex
CREATE INDEX "api_key_created_at_id_idx" ON "api_key"("created_at", "id");
