-- CreateIndex
CREATE INDEX "sync_run_provider_source_status_last_event_at_user_id_run_i_idx" ON "sync_run"("provider", "source", "status", "last_event_at", "user_id", "run_id");
