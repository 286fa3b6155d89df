import pg from 'pg';
import { expect } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import type { StatementReport } from '../../src/db/watch-statements.ts';

/** What `EXPLAIN (ANALYZE, FORMAT JSON)` says of one step of a plan. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/**
 * No statement looks through a table, or through more than `most` rows of one along an index, or sorts more. Postgres runs
 * each again and counts; SQLite only says which way it goes, so that there a sort must not be of a table's rows at all.
 */
export async function expectBoundedWalks(
  { kind, reader }: Database,
  url: string,
  statements: readonly StatementReport[],
  most: number,
): Promise<void> {
  const ran = [...statements]; // to explain one is a statement, too
  expect(ran.length).toBeGreaterThan(0);
  if (kind === 'sqlite') for (const { sql } of ran) expectBoundedPlan(await planInSqlite(reader, sql), sql);
  else {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query("SET TIME ZONE 'UTC'");
      for (const { sql, values } of ran) expectFewRows(await planInPostgres(client, sql, values), sql, most);
    } finally {
      await client.end();
    }
  }
}

interface SqliteStep {
  readonly parent: bigint;
  readonly detail: string;
}

function planInSqlite(reader: Database['reader'], sql: string): Promise<SqliteStep[]> {
  const nothing = Array.from(sql.matchAll(/\?/g), () => null);
  return reader.$queryRawUnsafe(`EXPLAIN QUERY PLAN ${sql}`, ...nothing);
}

const ofTable =
  /^(SCAN|SEARCH) (e|r|u|c|q|user|sync_event|sync_run|provider_connection|quarantined_entry)\b(?! VIRTUAL TABLE)/;

/** A row that is fetched by its number was found by a list before. */
const isOne = ({ detail }: SqliteStep) => detail.endsWith('USING INTEGER PRIMARY KEY (rowid=?)');

function expectBoundedPlan(plan: readonly SqliteStep[], sql: string): void {
  for (const { parent, detail } of plan) {
    if (detail.startsWith('SCAN') && ofTable.test(detail)) expect(detail, sql).toMatch(/ USING (COVERING )?INDEX /);
    if (!detail.includes('TEMP B-TREE')) continue;
    const sorted = plan.filter((step) => step.parent === parent && ofTable.test(step.detail) && !isOne(step));
    expect(sorted, sql).toEqual([]);
  }
}

async function planInPostgres(client: pg.Client, sql: string, values: readonly unknown[]): Promise<PlanNode> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, [
    ...values,
  ]);
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  if (!plan) throw new Error('There is no plan');
  return plan;
}

function expectFewRows(plan: PlanNode, sql: string, most: number): void {
  const nodes = flatten(plan);
  const walked = nodes
    .filter((node) => node['Relation Name'] !== undefined)
    .reduce(
      (sum, node) => sum + ((node['Rows Removed by Filter'] ?? 0) + node['Actual Rows']) * node['Actual Loops'],
      0,
    );
  expect(walked, sql).toBeLessThanOrEqual(most);
  for (const node of nodes) {
    expect(`${node['Node Type']} on ${node['Relation Name']}`, sql).not.toMatch(/Seq Scan on (sync_|user)/);
    if (node['Node Type'].includes('Sort'))
      expect(node.Plans?.[0]?.['Actual Rows'] ?? 0, sql).toBeLessThanOrEqual(most);
  }
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
