-- AlterTable
ALTER TABLE "user" ADD COLUMN     "revision" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "provider_connection" ADD COLUMN     "connected_at" TIMESTAMPTZ(3),
ADD COLUMN     "connection_id" TEXT,
ADD COLUMN     "problem" TEXT,
ADD COLUMN     "problem_sequence" INTEGER,
ADD COLUMN     "revoked_at" TIMESTAMPTZ(3),
ADD COLUMN     "state" TEXT NOT NULL DEFAULT 'unknown',
ADD COLUMN     "state_at" TIMESTAMPTZ(3),
ADD COLUMN     "state_since" TIMESTAMPTZ(3),
ALTER COLUMN "first_attempt_at" DROP NOT NULL,
ALTER COLUMN "last_attempt_at" DROP NOT NULL,
ALTER COLUMN "source" DROP NOT NULL,
ALTER COLUMN "last_run_id" DROP NOT NULL;
