import pg from 'pg';
import { expect } from 'vitest';
import type { Database } from '../../src/db/database.ts';

/** Every read of the log and of runs among these statements goes along an index, and pages are entered at their cursor. */
export async function expectIndexesInSqlite({ reader }: Database, statements: Iterable<string>): Promise<void> {
  const plans: string[] = [];
  for (const sql of statements) {
    const nothing = Array.from(sql.matchAll(/\?/g), () => null);
    const plan = await reader.$queryRawUnsafe<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${sql}`, ...nothing);
    plans.push(...plan.map(({ detail }) => detail));
  }
  expect(plans.length).toBeGreaterThan(20);
  // Whole tables are never looked through. The beginning of a list is the beginning of its index; p is a page of it, of
  // which a part may come from another place of the index, or from one for each kind k; an item is one that is weighed, and a
  // place one where times of recording part a log.
  const scans = plans.filter(
    (step) => step.startsWith('SCAN') && !/VIRTUAL TABLE|subquery|^SCAN (p|part|k|item|place)$/.test(step),
  );
  const kinds = 'sync_run_provider_source_status_last_event_at_user_id_run_id_idx';
  expect(new Set(scans)).toEqual(
    new Set([
      'SCAN u USING INDEX user_created_at_id_idx',
      'SCAN u USING COVERING INDEX user_created_at_id_idx',
      `SCAN sync_run USING COVERING INDEX ${kinds}`,
    ]),
  );
  // A page behind a cursor is entered at the cursor.
  const searches = plans.filter((step) => step.startsWith('SEARCH'));
  for (const bounds of [
    '((created_at,id)<(?,?))',
    '((created_at,id)>(?,?))',
    '(finished=? AND (last_event_at,user_id,run_id)<(?,?,?))',
    '(finished=? AND (last_event_at,user_id,run_id)>(?,?,?))',
    '(user_id=? AND finished=? AND last_event_at<?)', // of another user's cursor
    '(finished=? AND last_event_at>?)',
    // From each kind of runs to the next one, and to the page of each.
    `COVERING INDEX ${kinds} (provider=? AND source=? AND status>?)`,
    `COVERING INDEX ${kinds} (provider=? AND source>?)`,
    `COVERING INDEX ${kinds} (provider>?)`,
    `COVERING INDEX ${kinds} (provider=? AND source=? AND status=? AND (last_event_at,user_id,run_id)<(?,?,?))`,
    'SEARCH sync_run USING INDEX sync_run_change_user_id_run_id_idx (change>? AND change<?)',
    'SEARCH c USING INDEX sqlite_autoindex_provider_connection_1 (user_id=?)',
  ])
    expect({ bounds, used: searches.some((step) => step.includes(bounds)) }).toEqual({ bounds, used: true });
  const ofLog = searches.filter((step) => step.startsWith('SEARCH e '));
  expect(new Set(ofLog)).toEqual(
    new Set([
      'SEARCH e USING INDEX sqlite_autoindex_sync_event_1 (user_id=? AND sequence>? AND sequence<?)',
      'SEARCH e USING INDEX sqlite_autoindex_sync_event_1 (user_id=? AND sequence=?)', // halves a log by times of recording
      'SEARCH e USING INDEX sync_event_user_id_run_id_sequence_idx (user_id=? AND run_id=? AND sequence>? AND sequence<?)',
    ]),
  );
}

/** The same in Postgres, which plans by the number of rows: the tables need enough of them. */
export async function expectIndexesInPostgres(url: string, statements: Iterable<string>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('ANALYZE');
    const plans = await plansOf(client, statements);
    expect(plans.length).toBeGreaterThan(10);
    for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on (sync_event|sync_run)/);
    const log = plans.filter((plan) => /on sync_event /.test(plan)).join('\n');
    expect(log).toMatch(/Index Cond: \(\(user_id = .+\) AND \(sequence > .+\) AND \(sequence <= .+\)\)/);
    expect(log).toMatch(/Index Cond: \(\(user_id = .+\) AND \(run_id = .+\) AND \(sequence > .+\)/);
    // A hundred users are looked through more quickly without an index; with more it is used like this.
    await client.query('SET enable_seqscan = off');
    const indexed = (await plansOf(client, statements)).join('\n');
    for (const sign of ['<', '>']) {
      expect(indexed).toContain(`Index Cond: (ROW(created_at, id) ${sign} ROW(`);
      for (const finished of [true, false])
        expect(indexed, `finished ${finished} ${sign}`).toMatch(
          RegExp(
            `Index Cond: \\(\\(finished = ${finished}\\) AND \\(.*ROW\\(last_event_at, user_id, run_id\\) ${sign} ROW`,
          ),
        );
    }
    expect(indexed).toMatch(/Index Cond: \(\(finished = false\) AND \(last_event_at > /);
    expect(indexed).toMatch(/Index Cond: \(ROW\(provider, source, status\) > ROW\(/);
    expect(indexed).toMatch(
      /Index Cond: \(\(provider = k.*\) AND \(source = k.*\) AND \(status = k.*\) AND \(ROW\(last_event_at, /,
    );
    expect(indexed).toMatch(/Index Cond: \(\(user_id = .+\) AND \(finished = false\) AND \(last_event_at > /);
    expect(indexed).toMatch(/sync_run_change_user_id_run_id_idx.*\n +Index Cond: \(\(change >= .*AND \(change < /);
    expect(indexed).toMatch(/ provider_connection_pkey.*\n +Index Cond: \(user_id = /);
  } finally {
    await client.end();
  }
}

/** Plans for any values: those of the parameters are left open. */
async function plansOf(client: pg.Client, statements: Iterable<string>): Promise<string[]> {
  const plans: string[] = [];
  for (const sql of statements) {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${sql}`);
    plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
  }
  return plans;
}
