import type { Dialect } from './fill.ts';

export const sqliteDialect: Dialect = {
  hex: (expression, digits) => `printf('%0${digits}x', ${expression})`,
  time: (milliseconds) => milliseconds,
  json: (text) => text,
  numbers: (name, first, last) =>
    `(WITH RECURSIVE i(n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM i WHERE n < ${last}) SELECT n FROM i) AS ${name}`,
  id: (text) => text,
  whole: (expression) => `CAST(${expression} AS INTEGER)`,
};

export const postgresDialect: Dialect = {
  hex: (expression, digits) => `lpad(to_hex(${expression}), ${digits}, '0')`,
  time: (milliseconds) => `to_timestamp((${milliseconds}) / 1000.0)`,
  json: (text) => `(${text})::jsonb`,
  numbers: (name, first, last) => `generate_series(${first}, ${last}) AS ${name}(n)`,
  id: (text) => `(${text})::uuid`,
  whole: (expression) => `(${expression})`,
};
