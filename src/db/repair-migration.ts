import { type Migration, statementsOf, withoutComments } from './migration.ts';
import type { Fact, MigrationSession, SchemaPlace } from './migration-session.ts';

/** The schema before the first statement of a migration, and after each. */
export type States = readonly (readonly Fact[])[];

/** What is left to do of a migration. */
export interface Remainder {
  /** The statements still to run. */
  readonly statements: readonly string[];
  /** Is the schema now what the migration makes? */
  isComplete(): Promise<boolean>;
}

/** Runs a migration where nothing is, after those before it. Must not be called within a transaction. */
export function readStates(
  session: MigrationSession,
  migration: Migration,
  earlier: readonly Migration[],
): Promise<States> {
  return session.onScratch(async (scratch) => {
    for (const { sql } of earlier) await scratch.run(sql);
    const states = [await scratch.facts()];
    for (const statement of statementsOf(migration.sql)) {
      await scratch.run(statement);
      states.push(await scratch.facts());
    }
    return states;
  });
}

/**
 * Finds out how far a migration has come, by holding the schema against its states. Earlier releases ran a migration one
 * statement at a time, so that it may have been cut off in between; since then each is one transaction.
 *
 * Of statements that change no schema nobody can tell whether they have run. Those right after the last change that is
 * there run again where that is the same as once: INSERT into a table that the migration makes, which is emptied first,
 * and UPDATE of a table to which the migration adds columns. No server has worked on a database in between.
 * @returns nothing when the schema is in none of the states, or a statement may not run again
 */
export async function remainderOf(
  place: SchemaPlace,
  { sql }: Migration,
  states: States,
): Promise<Remainder | undefined> {
  const statements = statementsOf(sql);
  const tables = new Set(states.flatMap((facts) => facts.map(({ table }) => table)));
  const known = states.map((facts) => textOf(facts, tables));
  const present = async () => textOf(await place.facts(), tables);

  const now = await present();
  const [first, last] = [known.indexOf(now), known.lastIndexOf(now)];
  if (first < 0 || known.slice(first, last).some((state) => state !== now)) return undefined;
  const before = statements.slice(0, first);
  const uncertain = statements.slice(first, last);
  if (!uncertain.every((statement) => mayRunAgain(statement, before))) return undefined;
  return {
    statements: [...uncertain.flatMap(fromEmpty), ...statements.slice(last)],
    isComplete: async () => (await present()) === known.at(-1),
  };
}

/** Tables of which the migrations know nothing do not count. */
const textOf = (facts: readonly Fact[], tables: ReadonlySet<string>) =>
  facts
    .filter(({ table }) => tables.has(table))
    .map(({ table, text }) => `${table}: ${text}`)
    .sort()
    .join('\n');

function mayRunAgain(statement: string, before: readonly string[]): boolean {
  const [verb, table] = changeOf(statement);
  if (verb === 'PRAGMA') return true;
  const needed = verb === 'INSERT INTO' ? `CREATE TABLE ${table} ` : `ALTER TABLE ${table} ADD COLUMN`;
  return table !== undefined && before.some((earlier) => earlier.includes(needed));
}

function fromEmpty(statement: string): string[] {
  const [verb, table] = changeOf(statement);
  return verb === 'INSERT INTO' ? [`DELETE FROM ${table}`, statement] : [statement];
}

function changeOf(statement: string): [verb: string | undefined, table: string | undefined] {
  const [, verb, table] = /^(PRAGMA|INSERT INTO|UPDATE) ("\w+")?/.exec(withoutComments(statement)) ?? [];
  return [verb, table];
}
