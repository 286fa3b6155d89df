import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { TestDatabase } from '../support/database.ts';
import { rest } from '../support/rest-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import type { Verdict } from './verdicts.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const firstDay = Date.UTC(2026, 2, 2);
const minute = 60_000;
const day = 24 * 60 * minute;

interface DataType {
  readonly dataType: string;
  readonly state: string;
}

/** Whose connection a story is about. */
export interface Person {
  readonly userId: string;
  readonly provider: string;
}

/** What a producer says of a run, in the words of `SyncEventInput`; its time is that of the stage. */
export interface Told {
  readonly runId: string;
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly scope?: string;
  readonly [field: string]: unknown;
}

/** A real server behind its public doors, on a clock that the stories set. */
export interface Stage {
  /** Goes on to a moment of the story, which is not before the one that was reached. */
  goTo(day: number, time: string): void;
  /** Makes the person's user. */
  add(person: Person): Promise<void>;
  /** Says through GraphQL what happens now in a run. */
  tell(person: Person, told: Told): Promise<void>;
  /** Delivers a signed webhook of Open Wearables about a connection. The time of it is that of the stage. */
  deliver(person: Person, type: 'connection.created' | 'connection.revoked', reason?: string): Promise<void>;
  /** How the person's connection stands, as the API answers it. */
  look(person: Person): Promise<Verdict>;
  /** What the clock shows. */
  moment(): string;
  close(): Promise<void>;
}

const recording = `mutation ($events: [SyncEventInput!]!) { recordSyncEvents(input: { events: $events }) { results { duplicate } } }`;
const standing = `query ($id: UUID!) { user(id: $id) { connections {
  state health backfill { done percent } dataTypes { dataType state }
  explain { verdict since actor evidence { runId } }
} } }`;

export async function openStage(database: TestDatabase): Promise<Stage> {
  let now = firstDay;
  const server: TestServer = await startServer({
    database,
    clock: () => now,
    settings: { OPEN_WEARABLES_WEBHOOK_SECRET: secret },
  });
  const ask = async (query: string, variables: object) => {
    const { data, errors } = await server.graphql(query, variables);
    if (errors[0]) throw new Error(errors[0].message);
    return data;
  };
  return {
    goTo(number, time) {
      const next = Date.parse(`1970-01-01T${time}Z`) + firstDay + (number - 1) * day;
      if (!(next >= now)) throw new Error(`Day ${number}, ${time} is no later moment`);
      now = next;
    },
    async add({ userId }) {
      await ask('mutation ($id: UUID!) { upsertUser(input: { id: $id }) { id } }', { id: userId });
    },
    async tell({ userId, provider }, told) {
      const at = new Date(now).toISOString();
      const times = {
        timestamp: at,
        ...(told.stage === 'STARTED' && { startedAt: at }),
        ...(['COMPLETED', 'FAILED'].includes(told.stage) && { endedAt: at }),
      };
      await ask(recording, { events: [{ userId, provider, ...times, ...told }] });
    },
    async deliver({ userId, provider }, type, reason) {
      const at = new Date(now).toISOString();
      const times = type === 'connection.created' ? { connected_at: at } : { reason, revoked_at: at };
      const data = { user_id: userId, provider, connection_id: null, ...times };
      const body = JSON.stringify({ type, data });
      // A signature is good for five minutes of the time of day, whatever the clock of the stage shows.
      const [id, sentAt] = [`msg_${randomUUID()}`, new Date()];
      const headers = {
        'content-type': 'application/json',
        'svix-id': id,
        'svix-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
        'svix-signature': new Webhook(secret).sign(id, sentAt, body),
      };
      const { status, text } = await rest(`${server.url}/api/v1/webhooks/open-wearables`, {
        ...{ method: 'POST', headers, body },
      });
      if (status !== 200 || !text.includes('recorded')) throw new Error(`${type} was answered with ${status} ${text}`);
    },
    async look({ userId }) {
      const { user } = await ask(standing, { id: userId });
      const [{ explain, backfill, ...link }] = user.connections;
      return {
        state: link.state,
        health: link.health,
        verdict: explain.verdict,
        since: explain.since && momentOf(Date.parse(explain.since)),
        actor: explain.actor,
        evidence: explain.evidence.map(({ runId }: { runId: string }) => runId.replace(userId, '…')),
        history: backfill && historyOf(backfill),
        dataTypes: link.dataTypes
          .filter(({ state }: DataType) => state !== 'COMPLETE')
          .map(({ dataType, state }: DataType) => `${dataType} ${state}`),
      };
    },
    moment: () => momentOf(now),
    close: () => server.close(),
  };
}

function momentOf(time: number): string {
  return `day ${Math.floor((time - firstDay) / day) + 1}, ${new Date(time).toISOString().slice(11, 16)}`;
}

function historyOf({ done, percent }: { done: boolean | null; percent: number | null }): string {
  const ended = done === null ? 'its end is never told' : done ? 'done' : 'not done';
  return percent === null ? ended : `${percent} %, ${ended}`;
}
