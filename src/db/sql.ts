/** Statements by hand, for both databases: the only door to Prisma's tagged SQL, whose values are bound, never pasted. */
import { Prisma } from './generated/sqlite/client.ts';

/** A statement, or a part of one, with its bound values. */
export type Sql = Prisma.Sql;

/** A statement out of a template: what stands in `${}` is bound as a value, or put in place where it is `Sql` itself. */
export const { sql } = Prisma;

/** A statement as whoever runs one takes it: made already, or as a template. */
export type SqlTemplate = Sql | TemplateStringsArray;

export const toSql = (statement: SqlTemplate, values: readonly unknown[]): Sql =>
  'raw' in statement ? sql(statement, ...values) : statement;

/** Text that is SQL as it stands. It must hold nothing from outside. */
export const rawSql = Prisma.raw;

/** Parts with a separator between them, a comma by default. There must be at least one. */
export const joinSql = Prisma.join;

/** No SQL at all, where a part is optional. */
export const emptySql = Prisma.empty;

/** As many SELECTs one statement may join: SQLite takes at most 500, and Postgres at most 65,535 values in them. */
export const SELECTS_PER_STATEMENT = 100;
