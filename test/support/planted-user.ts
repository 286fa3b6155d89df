import { randomUUID } from 'node:crypto';
import type { TestServer } from './server.ts';

/** A user in whose every text there is the same word. */
export interface PlantedUser {
  readonly id: string;
  readonly runId: string;
  readonly eventId: string;
  readonly provider: string;
}

/** What is planted for the texts that a setting hides: the word, and which of them it is. */
export const planted = (word: string, text: 'message' | 'error' | 'metadata') => `${word}-${text}`;

/**
 * Makes a user with a log, runs, types of data and connections.
 * @param word lower-case letters
 * @param primaryUserId another user, whose sync brought the data
 */
export async function plantUser(server: TestServer, word: string, primaryUserId?: string): Promise<PlantedUser> {
  const id = await server.user({
    externalUserId: `${word}-external`,
    email: `${word}@example.org`,
    firstName: `${word}-first`,
    lastName: `${word}-last`,
  });
  const [runId, provider, eventId] = [`${word}-run`, `${word}-provider`, randomUUID()];
  const error = planted(word, 'error');
  const metadata = planted(word, 'metadata');
  const dataType = {
    dataType: `${word}_type`,
    state: 'FAILED',
    kind: 'SERIES',
    nativeType: metadata,
    errorCode: error,
    error,
    reason: { class: 'OTHER', text: error },
  };
  const report = { userId: id, runId, provider, primaryUserId, message: planted(word, 'message') };
  await server.record(
    { ...report, stage: 'STARTED', metadata: { trace_id: metadata, batch_id: metadata } },
    { ...report, runId: `${word}-other`, stage: 'STARTED' },
    {
      ...report,
      id: eventId,
      ...{ stage: 'FAILED', status: 'FAILED', error, metadata: { [metadata]: metadata } },
      ...{ reason: { class: 'OTHER', text: error }, dataTypes: [dataType] },
    },
  );
  const { errors } = await server.graphql(
    'mutation ($input: ReportConnectionInput!) { reportConnection(input: $input) { duplicate } }',
    {
      input: {
        userId: id,
        provider: `${word}-told`,
        word: error,
        state: 'CONNECTED',
        connectionId: `${word}-connection`,
      },
    },
  );
  if (errors[0]) throw new Error(errors[0].message);
  // Only sources bring it.
  await server.app.services.database.transaction((transaction) =>
    transaction.syncEvent.updateMany({ where: { userId: id }, data: { extra: { [metadata]: metadata } } }),
  );
  return { id, runId, eventId, provider };
}
