-- A migration of its own: in Postgres the one before locks out all who read or write users, until it ends.
-- 1 for users who are to be folded. The models cannot say it, and the engine that compares them looks past it.
CREATE INDEX "user_to_fold_idx" ON "user"((CASE WHEN coalesce("folded_from", '') <> (coalesce("external_user_id", '') || char(31) || coalesce("email", '') || char(31) || coalesce("first_name", '') || char(31) || coalesce("last_name", '')) THEN 1 END), "id");
