import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { createDatabase, provider, type TestDatabase } from './database.ts';

/*
 * `samples/last-release` holds databases as the last release left them, and what it answered, an array of bodies: those of
 * commit `aba44f8` (0.1.0), the last before runs went on after an end. Its `npm start` on an empty database was fed with
 * `recordForLastRelease`, asked with `askOfLastRelease`, and stopped by SIGTERM. Then the SQLite file was packed by `gzip -9`, and
 * so was `pg_dump --inserts --rows-per-insert=100 --no-owner --no-privileges` by Postgres 15. None is made anew when this release
 * changes.
 */

/** Sends a GraphQL operation with all scopes, and resolves to the body of the answer. */
export type Ask = (query: string, variables?: object) => Promise<string>;

type Input = Readonly<Record<string, unknown>>;

const minute = 60_000;
const start = Date.UTC(2026, 2, 2, 6);

const uuid = (kind: number, n: number) => `00000000-0000-4000-800${kind}-${String(n).padStart(12, '0')}`;

const users = ['Ada', 'Ben', 'Cleo'].map((firstName, n) => ({ id: uuid(1, n + 1), firstName }));
const [ada, ben, cleo] = users.map(({ id }) => id);

const time = (at: number) => new Date(start + at * minute).toISOString();
const began = (at: number, rest: Input = {}): Input => ({
  ...{ stage: 'STARTED', status: 'IN_PROGRESS', timestamp: time(at), startedAt: time(at), ...rest },
});
const goesOn = (at: number, rest: Input = {}): Input => ({
  ...{ stage: 'PROCESSING', status: 'IN_PROGRESS', timestamp: time(at), ...rest },
});
const ended = (at: number, rest: Input = {}): Input => ({
  ...{ stage: 'COMPLETED', status: 'SUCCESS', timestamp: time(at), endedAt: time(at), ...rest },
});
const failed = (at: number, error: string, rest: Input = {}): Input =>
  ended(at, { stage: 'FAILED', status: 'FAILED', error, ...rest });

/** Of a run all events in the order in which they are recorded. */
function run(userId: string | undefined, runId: string, words: string, ...events: Input[]): Input[] {
  const [provider, source] = words.split(' ');
  return events.map((event) => ({ userId, runId, provider, source, ...event }));
}

/** An export of a phone: each batch starts and ends under the id of the export. */
function exported(userId: string | undefined, at: number, batches: number, fails: (batch: number) => boolean): Input[] {
  return run(
    userId,
    `export_${at}`,
    'apple SDK',
    ...Array.from({ length: batches }, (_, n) => {
      const ids = { batch_id: `batch_${at}_${n}` };
      const counts = {
        records_saved: 50 + n,
        inserted: 40 + n,
        updated: 10,
        workouts_saved: n % 4,
        sleep_saved: n % 2,
      };
      const types = ['steps', 'heart_rate', ...(n % 3 === 0 ? ['weight'] : [])];
      const message = `Apple batch saved: ${40 + n} new, 10 updated`;
      return [
        began(at + 2 * n, { message: 'Processing apple SDK batch', metadata: ids }),
        fails(n)
          ? failed(at + 2 * n + 1, 'No valid data found', { metadata: { ...ids, status_code: 400 } })
          : ended(at + 2 * n + 1, { message, itemsProcessed: 50 + n, metadata: { ...ids, ...counts, types } }),
      ];
    }).flat(),
  );
}

/** A pull that succeeds every hour, with what it says of types of data. */
function pulled(userId: string | undefined, provider: string, at: number, items: number): Input[] {
  const data = { sleep: { inserted: items, updated: 1 }, hrv: items, spo2: 0, success: true };
  const params = { workouts: { success: items % 3 }, data_247: data };
  return run(
    userId,
    `${provider}_pull_${at}`,
    `${provider} PULL`,
    began(at, { message: `Pulling ${provider} — naïve “quotes”, 日本語 and 🫀` }),
    goesOn(at + 1, { progress: 0.5, itemsProcessed: items, itemsTotal: 2 * items }),
    ended(at + 2, { itemsProcessed: 2 * items, metadata: { params, inserted: items, updated: 1, trace_id: `t${at}` } }),
  );
}

/** What was recorded with the last release, request by request: everything that its rules took otherwise than today's do. */
const requests: readonly (readonly Input[])[] = [
  exported(ada, 0, 31, (batch) => batch === 30),
  // One batch fails and is sent again, two are worked on side by side, and one of them ends late.
  exported(ben, 100, 6, (batch) => batch === 2),
  run(ben, 'export_100', 'apple SDK', began(113, { metadata: { batch_id: 'batch_100_2' } })),
  run(ben, 'export_100', 'apple SDK', began(114, { metadata: { batch_id: 'side' } })),
  run(
    ben,
    'export_100',
    'apple SDK',
    ended(116, { metadata: { batch_id: 'batch_100_2', inserted: 9, types: ['steps'] } }),
  ),
  run(ben, 'export_100', 'apple SDK', ended(115, { metadata: { batch_id: 'side', inserted: 4, types: ['steps'] } })),
  // Runs that go on after an end.
  run(ada, 'again', 'oura PULL', began(200), failed(203, 'HTTP 503'), began(210), goesOn(212), ended(215)),
  run(ben, 'again', 'oura PULL', began(200), ended(203, { itemsProcessed: 5 }), goesOn(204, { message: 'more' })),
  run(cleo, 'again', 'oura PULL', began(1), ended(2), began(3), ended(4), began(5), failed(6, 'gone')),
  // What comes late, of each kind.
  run(ada, 'late_start', 'whoop PULL', ended(303, { itemsProcessed: 3 }), began(300)),
  run(ada, 'late_progress', 'whoop PULL', began(310), ended(315), goesOn(312, { progress: 0.4 })),
  run(ada, 'late_end', 'whoop PULL', began(320), goesOn(330), ended(329, { itemsProcessed: 4 })),
  run(ada, 'late_failure', 'whoop PULL', began(340), ended(345), failed(344, 'timed out')),
  run(cleo, 'late_start', 'garmin WEBHOOK', goesOn(20), ended(25), began(10, { startedAt: time(5) })),
  // A backfill in windows, one that goes on after a break, one that nobody ends, and that of a linked profile.
  run(
    cleo,
    'backfill_1',
    'garmin BACKFILL',
    began(50, { metadata: { trace_id: 'b1', total_types: 5, total_windows: 3, target_days: 30 } }),
    ...[1, 2].map((window) =>
      goesOn(50 + 10 * window, {
        ...{ progress: window / 3, itemsProcessed: window, itemsTotal: 3 },
        metadata: { trace_id: 'b1', window, total_windows: 3 },
      }),
    ),
    ended(90, { itemsProcessed: 3, metadata: { trace_id: 'b1' } }),
  ),
  run(
    ada,
    'backfill_2',
    'garmin BACKFILL',
    began(60, { metadata: { trace_id: 'b2', total_windows: 4, target_days: 30 } }),
    failed(70, 'HTTP 429 Too Many Requests', { metadata: { trace_id: 'b2' } }),
    began(80, { metadata: { trace_id: 'b2', current_window: 2, pending_types: ['sleeps', 'dailies'] } }),
    ended(95, { metadata: { trace_id: 'b2' } }),
  ),
  run(ben, 'backfill_3', 'garmin BACKFILL', began(60, { metadata: { total_windows: 4, target_days: 30 } }), goesOn(66)),
  run(
    ben,
    'linked_1',
    'garmin LINKED_ACCOUNT',
    began(61, { primaryUserId: ada, metadata: { primary_user_id: ada } }),
    ended(96, { primaryUserId: ada }),
  ),
  ...[1, 2, 3, 4].map((n) =>
    run(
      cleo,
      `push_${n}`,
      'garmin WEBHOOK',
      ended(100 + 30 * n, { itemsProcessed: n % 2, startedAt: time(99 + 30 * n) }),
    ),
  ),
  // Pulls by the hour, of several providers and users.
  ...Array.from({ length: 6 }, (_, n) => pulled(ada, 'polar', 400 + 60 * n, n)),
  ...Array.from({ length: 4 }, (_, n) => pulled(cleo, 'oura', 400 + 60 * n, 0)),
  ...Array.from({ length: 3 }, (_, n) => pulled(ben, 'whoop', 420 + 60 * n, 7)),
  // Those that fail for good, and for lack of a sign-in.
  ...[1, 2, 3].map((n) =>
    run(
      ben,
      `strava_${n}`,
      'strava PULL',
      began(500 + 60 * n),
      failed(501 + 60 * n, 'Error code 500 from the provider'),
    ),
  ),
  run(ben, 'oura_last', 'oura PULL', began(700), failed(701, 'invalid_grant: Token has been expired or revoked.')),
  run(cleo, 'fitbit_1', 'fitbit PULL', began(300), ended(301, { itemsProcessed: 2 })),
  run(cleo, 'fitbit_2', 'fitbit PULL', began(700), failed(701, '401 Unauthorized: the person has revoked access')),
  // Other ends, and none.
  run(ada, 'cancelled', 'oura PULL', began(600), ended(601, { stage: 'CANCELLED', status: 'CANCELLED' })),
  run(ada, 'skipped', 'oura PULL', ended(610, { status: 'SKIPPED', metadata: { skipped: true } })),
  run(
    ada,
    'partial',
    'oura PULL',
    began(620),
    ended(622, { status: 'PARTIAL', itemsProcessed: 8, error: 'sleep: HTTP 500' }),
  ),
  run(ada, 'queued', 'oura PULL', { stage: 'QUEUED', status: 'IN_PROGRESS', timestamp: time(630) }),
  run(ben, 'lost', 'polar PULL', began(640), goesOn(641, { progress: 0.1 })),
  run(
    cleo,
    'file',
    'apple XML_IMPORT',
    began(650),
    goesOn(652, { progress: 0.9 }),
    ended(655, { itemsProcessed: 12_000 }),
  ),
  run(cleo, 'file_2', 'apple XML_IMPORT', began(660), failed(661, 'Import failed: unit ft_us is not known')),
];

/** Every field that the last release had of an event. */
const eventFields = `cursor sequence id userId runId provider source sourceRaw stage stageRaw status statusRaw message progress
  itemsProcessed itemsTotal error metadata primaryUserId startedAt endedAt timestamp recordedAt late`;

/** What no release may answer in another way. */
const asked = `query ($id: UUID!) { user(id: $id) {
  id firstName headCursor recentSyncEvents(limit: 200) { ${eventFields} }
  syncEvents(first: 40, filter: { statuses: [FAILED, PARTIAL] }) { edges { cursor node { id late } } pageInfo { hasNextPage endCursor } }
} }`;

/** Feeds a server by its public door. */
export async function recordForLastRelease(ask: Ask): Promise<void> {
  const send = async (query: string, input: object) => {
    const body = await ask(query, { input });
    if (JSON.parse(body).errors) throw new Error(body);
  };
  for (const user of users)
    await send('mutation ($input: UpsertUserInput!) { upsertUser(input: $input) { id } }', user);
  let count = 0;
  const identified = requests.map((events) => events.map((event) => ({ ...event, id: uuid(0, ++count) })));
  const record = `mutation ($input: RecordSyncEventsInput!) { recordSyncEvents(input: $input) { results { duplicate } } }`;
  for (const events of identified) await send(record, { events });
  // A producer sends again what it has no answer to.
  await send(record, { events: identified[0] });
}

/** What a server says of each user, as the bodies of its answers. */
export async function askOfLastRelease(ask: Ask): Promise<readonly string[]> {
  const bodies: string[] = [];
  // What an operation costs was told by none of its answers.
  for (const { id } of users)
    bodies.push((await ask(asked, { id })).replace(/,"extensions":\{"cost":\{[^}]*\}\}(?=\}$)/, ''));
  return bodies;
}

/** A database as the last release has left it. */
export async function restoreLastRelease(): Promise<TestDatabase> {
  const database = await createDatabase();
  if (provider === 'sqlite') {
    writeFileSync(database.url.slice('file:'.length), unzipped('sqlite.gz'));
    return database;
  }
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  // Lines with a backslash are meant for psql.
  await client.query(String(unzipped('postgresql.gz')).replaceAll(/^\\.*$/gm, ''));
  await client.end();
  return database;
}

/** What the last release answered, as `askOfLastRelease` asks it. */
export function answersOfLastRelease(): readonly string[] {
  return JSON.parse(String(unzipped(`${provider}-answers.gz`)));
}

function unzipped(name: string): Buffer {
  return gunzipSync(readFileSync(join(import.meta.dirname, 'samples/last-release', name)));
}
