-- A migration of its own: in Postgres the one before locks out all who read connections, until it ends.
-- Data came last with the last success; what else an earlier release knew tells nothing of the state.
UPDATE "provider_connection" SET "state" = 'connected', "state_since" = "last_success_at", "state_at" = "last_success_at"
WHERE "last_success_at" IS NOT NULL;
