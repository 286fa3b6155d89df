import pg from 'pg';

const { builtins } = pg.types;

/** A bound value. pg would write a time in the zone of this process, whose offset is cut to minutes where it has seconds. */
export const toPostgresValue = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);

/** How a value's text is read where it is read otherwise than pg reads it, so that fields are what Prisma makes of them. */
const parsers = new Map<number, (text: string) => unknown>([
  // Every session is in UTC, so that its times end with `+00`.
  [builtins.TIMESTAMPTZ, (text) => new Date(`${text.replace(' ', 'T')}:00`)],
  [builtins.INT8, BigInt],
]);

/** The types of Postgres for a query of pg. */
export const postgresTypes: pg.CustomTypesConfig = {
  getTypeParser: (type: number) => parsers.get(type) ?? pg.types.getTypeParser(type),
};
