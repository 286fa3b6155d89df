-- Runs that have ended by their stage, or by a status in another case, were taken for unfinished ones.
UPDATE "sync_run" SET "finished" = true WHERE "finished" = false AND (
  lower("stage") IN ('completed', 'failed', 'cancelled')
  OR lower("status") IN ('success', 'partial', 'failed', 'cancelled', 'skipped')
);
