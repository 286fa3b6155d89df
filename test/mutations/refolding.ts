import type { Area } from './fault.ts';

const job = 'src/log/refold-runs.ts';
const fold = 'src/log/record/refolding.ts';

/** Runs that are folded anew. */
export const refolding: Area = {
  name: 'refolding',
  tests: ['test/log/refolding.test.ts', 'test/log/last-release.test.ts'],
  faults: [
    {
      breaks: 'events count as late as they were by earlier rules',
      file: fold,
      find: 'late: isLate(this.#run, stored)',
      replace: 'late: stored.late',
    },
    {
      breaks: 'a run of which events are gone is folded from the others',
      file: fold,
      find: 'this.#run.eventCount < stored.eventCount',
      replace: 'this.#run.eventCount < 0',
    },
    {
      breaks: 'what is recorded while a run is folded is forgotten',
      file: job,
      find: [
        '  for (const each of locked) each.upTo = Math.max(each.upTo, rows.get(runKey(each))?.lastSequence ?? 0);',
        '  const grown = await readOn(reading, sql, locked);',
        '  const refolded = locked.flatMap((each) => {',
        '    const row = rows.get(runKey(each));',
        '    return row && each.reached === row.lastSequence ? [each.replace(row, logs.change)] : [];',
      ],
      replace: [
        '  const grown: readonly Refolding[] = [];',
        '  const refolded = locked.flatMap((each) => {',
        '    const row = rows.get(runKey(each));',
        '    const known = row && row.lastSequence > each.upTo ? { ...row, eventCount: 0 } : row;',
        '    return known ? [each.replace(known, logs.change)] : [];',
      ],
    },
    {
      breaks: 'a run that another instance has folded is folded again',
      file: job,
      find: ' && run.foldedSequence !== run.lastSequence',
      replace: '',
    },
    {
      breaks: 'an answer that was kept outlives the run in it',
      file: job,
      find: 'noteChange[kind]([...new Set(refolded.map(({ run }) => run.userId))], change)',
      replace: 'noteChange[kind]([], change)',
    },
    {
      breaks: 'batches that are none any more stay',
      file: job,
      find: '  if (keys.length > 0) writes.push(batchRemoval[kind](keys));\n',
      replace: '',
    },
    {
      breaks: 'types of data that are none any more stay',
      file: job,
      find: '    if (removeOfRuns && keys.length > 0) writes.push(removeOfRuns(keys));\n',
      replace: '',
    },
    {
      breaks: 'all events of a run are read at once',
      file: job,
      find: 'Math.ceil(EVENTS_PER_READ / open.length)',
      replace: '100 * EVENTS_PER_READ',
    },
    {
      breaks: 'a close does not wait for what is being written',
      file: job,
      find: '    await folding;\n',
      replace: '',
    },
    {
      breaks: 'a stream tells of runs that have not changed, too',
      file: 'src/log/changes/row-watch.ts',
      find: 'for (const row of changed) this.#found.set(keyOfRow(row), row);',
      replace: 'for (const row of changed) this.#add(row.userId, row.lastSequence - 1);',
    },
    {
      breaks: 'no server folds the runs of an earlier release',
      file: 'src/open-services.ts',
      find: '  opened.add({ close: startRefoldingRuns({ database, projections, onError }) });\n',
      replace: '',
    },
  ],
};
