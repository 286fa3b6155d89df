-- CreateIndex
CREATE INDEX "sync_event_user_id_provider_source_stage_status_sequence_idx" ON "sync_event"("user_id", "provider", "source", "stage", "status", "sequence");
