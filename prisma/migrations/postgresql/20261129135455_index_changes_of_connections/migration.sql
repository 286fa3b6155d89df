-- CreateIndex
CREATE INDEX "provider_connection_change_user_id_provider_idx" ON "provider_connection"("change", "user_id", "provider");
