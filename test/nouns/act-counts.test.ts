import { expect, onTestFinished, test, vi } from 'vitest';
import { ActCounts } from '../../src/audit/act-counts.ts';
import { openNewDatabase } from '../support/database.ts';

const by = (id: string) => ({ kind: 'developer', id, name: null }) as const;

async function openCounts({ auditCountMs = 3_600_000, auditCounts = 3 } = {}) {
  const opened = await openNewDatabase();
  const { database } = opened;
  const errors: unknown[] = [];
  const open = () => {
    const clock = () => Date.parse('2026-06-01T12:00:00Z');
    const counts = new ActCounts({
      database,
      limits: { auditCountMs, auditCounts },
      clock,
      onError: (error) => errors.push(error),
    });
    onTestFinished(() => counts.close());
    return counts;
  };
  const written = async () =>
    Object.fromEntries((await database.reader.auditEntry.findMany()).map(({ byId, count }) => [byId, count]));
  return { ...opened, open, errors, written };
}

test('nothing is written with the act, and what was counted is written when it is closed', async () => {
  const { open, written, statements } = await openCounts();
  const counts = open();
  statements.length = 0;
  for (let made = 0; made < 3; made += 1) counts.add('user_tokens_made', by('a'));
  counts.add('user_tokens_made', by('b'));
  expect(statements).toEqual([]);
  await counts.close();
  expect(await written()).toEqual({ a: 3, b: 1 });
});

test('instances add to the same line', async () => {
  const { open, written } = await openCounts();
  const instances = [open(), open(), open()];
  for (const each of instances) each.add('user_tokens_made', by('a'));
  await Promise.all(instances.map((each) => each.close()));
  expect(await written()).toEqual({ a: 3 });
});

test('what could not be written is told, and written once, with what came meanwhile', async () => {
  const { open, written, database, errors } = await openCounts({ auditCountMs: 10 });
  const failure = new Error('the disk is full');
  const counts = open();
  vi.spyOn(database, 'transaction').mockImplementationOnce(async () => {
    counts.add('user_tokens_made', by('a'));
    throw failure;
  });
  counts.add('user_tokens_made', by('a'));
  await expect.poll(written).toEqual({ a: 2 });
  expect(errors).toEqual([failure]);
});

test('no more lines wait than the limit says, and those that wait go on counting', async () => {
  const { open, written } = await openCounts({ auditCounts: 3 });
  const counts = open();
  for (const id of ['a', 'b', 'c', 'd', 'a']) counts.add('user_tokens_made', by(id));
  await counts.close();
  expect(await written()).toEqual({ a: 2, b: 1, c: 1 });
});
