-- CreateIndex
CREATE INDEX "provider_connection_state_provider_user_id_idx" ON "provider_connection"("state", "provider", "user_id");
