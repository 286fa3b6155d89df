import { expect, onTestFinished, test } from 'vitest';
import { defaultLimits } from '../../src/limits.ts';
import { Sources } from '../../src/sources/sources.ts';
import { openNewDatabase } from '../support/database.ts';

async function openSource() {
  const { database } = await openNewDatabase();
  const errors: unknown[] = [];
  const sources = new Sources({
    database,
    limits: { ...defaultLimits, sourceRenewMs: 3_600_000 },
    clock: Date.now,
    onError: (error) => errors.push(error),
  });
  onTestFinished(async () => {
    await sources.close();
    expect(errors).toEqual([]);
  });
  return { sources, database, source: await sources.open('a source', { exclusive: false }) };
}

test('the text of an entry that could not be read is kept up to 2,000 characters, and without what is beyond', async () => {
  const { sources, source, database } = await openSource();
  for (const length of [2_000, 2_001]) {
    const text = String(length).padEnd(length, '.');
    const unreadable = { reason: 'not_json', detail: 'd', place: 'p', text } as const;
    expect(await sources.quarantine.add(source.name, [unreadable])).toBe(1);
  }
  const page = { after: undefined, before: undefined, limit: 2, fromEnd: false };
  const shown = await sources.quarantine.list(source.name, page);
  const stored = await database.reader.quarantinedEntry.findMany({ select: { payload: true, payloadBytes: true } });
  for (const entries of [shown, stored])
    expect(
      entries
        .map(({ payload, payloadBytes }) => [payload, Number(payloadBytes)])
        .sort(([, one], [, other]) => Number(one) - Number(other)),
    ).toEqual([
      ['2000'.padEnd(2_000, '.'), 2_000],
      ['2001'.padEnd(2_000, '.'), 2_001],
    ]);
});

test('the error of a source is shown up to 500 characters, and without what is beyond', async () => {
  const { sources, source } = await openSource();
  const shownOf = async (error: string) => {
    source.fail(error);
    await source.save();
    return (await sources.list()).map(({ lastError }) => lastError);
  };
  expect(await shownOf('x'.repeat(500))).toEqual(['x'.repeat(500)]);
  expect(await shownOf(`${'y'.repeat(500)}z`)).toEqual(['y'.repeat(500)]);
});

test('20 sources are listed, and no more', async () => {
  const { sources } = await openSource();
  for (let count = 2; count <= 20; count += 1) await sources.open(`source ${count}`, { exclusive: false });
  expect(await sources.list()).toHaveLength(20);
  await sources.open('source 21', { exclusive: false });
  expect(await sources.list()).toHaveLength(20);
});
