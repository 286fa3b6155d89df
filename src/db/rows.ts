/**
 * The rows of the models in `prisma/schema.prisma`, as every database returns them. Only this file, `sql.ts` and what
 * opens a database know the generated clients. The two clients differ in how they speak to their database and in nothing
 * that is re-exported here, so the one of SQLite stands for both.
 */
import { Prisma } from './generated/sqlite/client.ts';

export type { default as PrismaTypes } from './generated/pothos.ts';
export { getDatamodel } from './generated/pothos.ts';
export type {
  ApiKey,
  AuditEntry,
  DeletedUser,
  LogState,
  PrismaClient,
  ProviderDataType,
  ProviderLink,
  QuarantinedEntry,
  Source,
  SyncEvent,
  SyncRun,
  SyncRunBatch,
  SyncRunDataType,
  User,
} from './generated/sqlite/client.ts';
export type TransactionClient = Prisma.TransactionClient;

/** The names of the models' fields. */
export const eventFields = Object.keys(Prisma.SyncEventScalarFieldEnum);
export const runFields = Object.keys(Prisma.SyncRunScalarFieldEnum);
export const batchFields = Object.keys(Prisma.SyncRunBatchScalarFieldEnum);
export const runDataTypeFields = Object.keys(Prisma.SyncRunDataTypeScalarFieldEnum);
export const providerDataTypeFields = Object.keys(Prisma.ProviderDataTypeScalarFieldEnum);
export const connectionFields = Object.keys(Prisma.ProviderLinkScalarFieldEnum);
export const userFields = Object.keys(Prisma.UserScalarFieldEnum);
export const quarantinedEntryFields = Object.keys(Prisma.QuarantinedEntryScalarFieldEnum);
export const auditFields = Object.keys(Prisma.AuditEntryScalarFieldEnum);
export const apiKeyFields = Object.keys(Prisma.ApiKeyScalarFieldEnum);
