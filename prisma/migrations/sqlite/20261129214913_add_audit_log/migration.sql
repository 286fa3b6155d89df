-- CreateTable
CREATE TABLE "audit_entry" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "at" DATETIME NOT NULL,
    "act" TEXT NOT NULL,
    "by_kind" TEXT NOT NULL,
    "by_id" TEXT,
    "by_name" TEXT,
    "target" TEXT,
    "count" INTEGER NOT NULL DEFAULT 1,
    "details" TEXT NOT NULL
);

-- CreateIndex
CREATE INDEX "audit_entry_at_id_idx" ON "audit_entry"("at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_target_at_id_idx" ON "audit_entry"("target", "at", "id");
