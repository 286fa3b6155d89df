import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient as PostgresClient } from '../../src/db/generated/postgresql/client.ts';
import { PrismaClient as SqliteClient } from '../../src/db/generated/sqlite/client.ts';

/** Prisma's client as its guide opens it, on the same models. */
export function openClient(url: string): SqliteClient {
  if (url.startsWith('file:'))
    return new SqliteClient({ adapter: new PrismaLibSql({ url }, { timestampFormat: 'unixepoch-ms' }) });
  // The models are the same, so that one type stands for both clients.
  return new PostgresClient({ adapter: new PrismaPg({ connectionString: url }) }) as unknown as SqliteClient;
}
