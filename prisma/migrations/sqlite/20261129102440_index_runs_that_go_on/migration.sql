-- A migration of its own: in Postgres the one before locks out all who read or write runs, until it ends.
CREATE INDEX "sync_run_user_id_opened_at_run_id_idx" ON "sync_run"("user_id", "opened_at", "run_id");
CREATE INDEX "sync_run_run_id_opened_at_user_id_idx" ON "sync_run"("run_id", "opened_at", "user_id");
-- 1 for runs that are to be folded anew. The models cannot say it, and the engine that compares them looks past it.
CREATE INDEX "run_to_fold_idx" ON "sync_run"((CASE WHEN "folded_sequence" <> "last_sequence" THEN 1 END), "user_id", "run_id");
