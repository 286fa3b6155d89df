/** What the API says of a connection. */
export interface Verdict {
  readonly state: string;
  readonly health: string;
  readonly verdict: string;
  readonly since: string | null;
  readonly actor: string | null;
  /** The runs that prove it, the most telling first; a user's id in their names is left out. */
  readonly evidence: readonly string[];
  readonly history: string | null;
  /** Only those types of data that say more than that they are complete. */
  readonly dataTypes: readonly string[];
}

/** A moment of a story, and what an operator has to be told then. */
interface Moment {
  readonly happened: string;
  readonly expected: Verdict;
}

const connected = { state: 'CONNECTED', health: 'HEALTHY', history: null, dataTypes: [] } as const;
const firstBackfill = 'garmin_backfill_…_4be07c19';
const secondBackfill = 'garmin_backfill_…_9d20e1f3';
const phoneExport = 'sdk_9f3c8ea4-51d2-4c07-b1ce-2f6a70d4e815';

/** All moments, in the order of the stories. */
export const moments = {
  connected: {
    happened: 'Anna has just connected her Garmin.',
    expected: {
      ...{ ...connected, health: 'UNKNOWN', since: 'day 1, 08:00', actor: 'WAIT', evidence: [] },
      verdict: 'The person has connected, and no sync has been reported yet.',
    },
  },
  'coming in': {
    happened: 'The first of three windows of her last 30 days is stored.',
    expected: {
      ...{ ...connected, health: 'SYNCING', since: 'day 1, 08:01', actor: 'WAIT', evidence: [firstBackfill] },
      ...{ verdict: 'The history is coming in: 33 %.', history: '33 %, not done' },
    },
  },
  'rate limited': {
    happened: 'Garmin has answered 429 in the middle, and the backfill has ended.',
    expected: {
      ...{ ...connected, since: 'day 1, 08:20', actor: 'WAIT', evidence: [firstBackfill, 'garmin_webhook_sleeps_1'] },
      verdict:
        'The newest sync has failed after others succeeded: the provider was asked too often, and lets nobody in for a while.',
      history: '33 %, not done',
    },
  },
  denied: {
    happened:
      'Another backfill goes on from there, and Garmin gives no heart rate variability: Anna has not granted it.',
    expected: {
      ...{ ...connected, health: 'SYNCING', since: 'day 1, 09:30', actor: 'USER', evidence: [secondBackfill] },
      ...{ verdict: 'Syncs succeed, but the person has not granted hrv.', history: '67 %, not done' },
      dataTypes: ['activityDetails PENDING', 'hrv NOT_GRANTED'],
    },
  },
  'complete but for one type': {
    happened: 'The history has ended, and Garmin has pushed something every morning since.',
    expected: {
      ...{ ...connected, since: 'day 1, 09:30', actor: 'USER', evidence: [secondBackfill] },
      ...{ verdict: 'Syncs succeed, but the person has not granted hrv.', history: '100 %, done' },
      dataTypes: ['hrv NOT_GRANTED'],
    },
  },
  revoked: {
    happened: 'A day ago Garmin has told Open Wearables that Anna has signed out.',
    expected: {
      ...{ ...connected, state: 'DISCONNECTED', health: 'UNKNOWN' },
      ...{ since: 'day 20, 12:00', actor: 'USER', evidence: [], history: '100 %, done' },
      verdict: 'The connection was revoked: no data comes until the person connects again.',
      dataTypes: ['hrv NOT_GRANTED'],
    },
  },
  'connected again': {
    happened: 'An hour ago Anna has connected again.',
    expected: {
      ...{ ...connected, since: 'day 22, 18:00', actor: 'WAIT', evidence: [], history: '100 %, done' },
      verdict: 'The person has connected again, and no sync has been reported since.',
      dataTypes: ['hrv NOT_GRANTED'],
    },
  },
  'coming in batches': {
    happened:
      "Ben's phone has sent 16 of 31 batches of its history, of which the newest failed, and sends the next one.",
    expected: {
      ...{ ...connected, health: 'SYNCING', since: 'day 1, 19:17', actor: 'WAIT', evidence: [phoneExport] },
      ...{ verdict: 'The history is coming in: 48 %.', history: '48 %, its end is never told' },
      dataTypes: ['heart_rate SYNCING', 'oxygen_saturation SYNCING', 'steps SYNCING'],
    },
  },
  'batches are missing': {
    happened: 'The last batch has failed as well, as the disk of the platform was full; what is new today has come in.',
    expected: {
      ...{ ...connected, since: 'day 1, 19:31', actor: 'OPERATOR', evidence: [phoneExport] },
      verdict: 'Syncs succeed, but 2 batches of the history failed; 94 % of it is stored.',
      history: '94 %, its end is never told',
    },
  },
  'worn now and then': {
    happened: 'Cleo wears a ring now and then, and not for three days. Hourly pulls find nothing new.',
    expected: {
      ...{ ...connected, since: 'day 29, 09:00', actor: null, evidence: ['pull_705', 'pull_780'] },
      verdict: 'All is well: data comes now and then, and for this person the next is not late.',
    },
  },
  'platform pulls nothing': {
    happened: 'Since midnight the platform has pulled nothing.',
    expected: {
      ...{ ...connected, health: 'DELAYED', since: 'day 40, 02:00', actor: 'OPERATOR', evidence: ['pull_959'] },
      verdict: 'Nothing has come for longer than is usual for this connection.',
    },
  },
  'worn no more': {
    happened: 'Pulls go on, and the ring has been in a drawer for 15 days.',
    expected: {
      ...{ ...connected, health: 'NO_PROGRESS', since: 'day 45, 09:00', actor: 'USER' },
      ...{ evidence: ['pull_1463', 'pull_1089'] },
      verdict: 'Syncs succeed and bring no data, for longer than this person usually has none.',
    },
  },
} as const satisfies Record<string, Moment>;

export type MomentName = keyof typeof moments;
