-- CreateTable
CREATE TABLE "audit_entry" (
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "act" TEXT NOT NULL,
    "by_kind" TEXT NOT NULL,
    "by_id" TEXT,
    "by_name" TEXT,
    "target" TEXT,
    "count" INTEGER NOT NULL DEFAULT 1,
    "details" TEXT NOT NULL,

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "audit_entry_at_id_idx" ON "audit_entry"("at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_target_at_id_idx" ON "audit_entry"("target", "at", "id");
