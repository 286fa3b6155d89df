import type { Database } from '../../src/db/database.ts';

/** A statement without what each database adds to the names in it: quotation marks and schemas. */
export function plainSql(sql: string): string {
  return sql.replaceAll(/[`"]/g, '').replaceAll(/\b(?:main|public)\./g, '');
}

/** Makes the database refuse events with this message, by a trigger; returns how to remove it. */
export async function refuseMessage(database: Database, message: string): Promise<() => Promise<void>> {
  const run = async (...statements: string[]) => {
    await database.transaction(async (transaction) => {
      for (const statement of statements) await transaction.$executeRawUnsafe(statement);
    });
  };
  if (database.kind === 'sqlite') {
    await run(`CREATE TRIGGER refuse BEFORE INSERT ON sync_event
      WHEN new.message = '${message}' BEGIN SELECT RAISE(ABORT, 'refused by a trigger'); END`);
    return () => run('DROP TRIGGER refuse');
  }
  await run(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE EXCEPTION 'refused by a trigger'; END $$`,
    `CREATE TRIGGER refuse BEFORE INSERT ON sync_event
      FOR EACH ROW WHEN (new.message = '${message}') EXECUTE FUNCTION refuse()`,
  );
  return () => run('DROP TRIGGER refuse ON sync_event', 'DROP FUNCTION refuse()');
}
