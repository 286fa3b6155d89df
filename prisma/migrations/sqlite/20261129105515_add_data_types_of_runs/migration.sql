-- CreateTable
CREATE TABLE "sync_run_data_type" (
    "user_id" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "data_type" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "native_type" TEXT,
    "reported_records" INTEGER,
    "items_inserted" INTEGER NOT NULL,
    "items_updated" INTEGER NOT NULL,
    "covered_start" DATETIME,
    "covered_end" DATETIME,
    "error_code" TEXT,
    "error" TEXT,
    "attempts" INTEGER NOT NULL,

    PRIMARY KEY ("user_id", "run_id", "data_type"),
    CONSTRAINT "sync_run_data_type_user_id_run_id_fkey" FOREIGN KEY ("user_id", "run_id") REFERENCES "sync_run" ("user_id", "run_id") ON DELETE CASCADE ON UPDATE CASCADE
);
