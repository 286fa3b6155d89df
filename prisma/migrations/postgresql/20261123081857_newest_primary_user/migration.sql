-- AlterTable
ALTER TABLE "sync_run" ADD COLUMN     "newest_primary_user_id" UUID;

-- What the events that are kept say
UPDATE "sync_run" SET "newest_primary_user_id" = (
  SELECT e."primary_user_id" FROM "sync_event" e
  WHERE e."user_id" = "sync_run"."user_id" AND e."run_id" = "sync_run"."run_id" AND NOT e."late"
  ORDER BY e."sequence" DESC LIMIT 1
) WHERE "primary_user_id" IS NOT NULL;
