-- A migration of its own: it locks out all who read connections, until it ends.
-- DropIndex
DROP INDEX "provider_connection_state_provider_user_id_idx";
