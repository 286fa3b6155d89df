-- CreateIndex
CREATE INDEX "provider_connection_health_state_reason_class_scope_provider_user_id_idx" ON "provider_connection"("health", "state", "reason_class", "scope", "provider", "user_id");
