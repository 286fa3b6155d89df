-- CreateIndex
CREATE INDEX "provider_connection_health_until_idx" ON "provider_connection"("health_until");
