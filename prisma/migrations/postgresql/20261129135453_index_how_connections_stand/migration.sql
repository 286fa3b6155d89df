-- DropIndex
DROP INDEX "provider_connection_state_provider_user_id_idx";

-- CreateIndex
CREATE INDEX "provider_connection_health_state_reason_class_scope_provide_idx" ON "provider_connection"("health", "state", "reason_class", "scope", "provider", "user_id");

-- CreateIndex
CREATE INDEX "provider_connection_health_until_idx" ON "provider_connection"("health_until");

-- CreateIndex
CREATE INDEX "provider_connection_change_user_id_provider_idx" ON "provider_connection"("change", "user_id", "provider");
