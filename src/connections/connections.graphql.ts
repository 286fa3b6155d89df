import type { ProviderLink as ConnectionRow, SyncRun as SyncRunRow } from '../db/rows.ts';
import type { Batch } from '../graphql/batch.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { addEnum } from '../graphql/enums.ts';
import { withItems } from '../graphql/items.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits } from '../limits.ts';
import { findRun, type RunTypes, runsUnderWay } from '../runs/runs.graphql.ts';
import { requireUser, type UserTypes } from '../users/users.graphql.ts';
import {
  type ConnectionHealth,
  connectionHealth,
  connectionThresholds,
  type JudgedHealth,
} from './connection-health.ts';
import { type LinkState, linkStates } from './link-state.ts';

const connectionsByUser: Batch<string, readonly ConnectionRow[]> = {
  keyOf: (userId) => userId,
  restsOn: { owner: (userId) => userId },
  find: (userIds, { connections }) => connections.ofUsers(userIds),
};

/** The newest run of the connection that is under way. */
export async function currentRun(
  { userId, provider }: ConnectionRow,
  context: Context,
): Promise<SyncRunRow | undefined> {
  return (await runsUnderWay(userId, context)).find((run) => run.provider === provider);
}

/** The health of a connection at the moment of the answer, with the run that is under way. */
export function healthOf(link: ConnectionRow, run: SyncRunRow | undefined, { now }: Context): JudgedHealth {
  return connectionHealth(link, run && Number.POSITIVE_INFINITY, now);
}

const { failures, emptySuccesses, trustedForMs, trustedForMsElse } = connectionThresholds;
const hours = (ms = trustedForMsElse) => ms / 3_600_000;

/** In the order in which they count. */
const healthDescriptions: Record<ConnectionHealth, string> = {
  failing: `The last ${failures} syncs or more that could fail have failed, or the person has to connect again.`,
  no_progress: `The last ${emptySuccesses} successes or more that counted their items have counted none, and that is longer than this person usually has none, or no data has ever come.`,
  syncing: 'A sync is under way.',
  delayed: 'The next success is late by the rhythm of those before.',
  healthy: 'Syncs succeed.',
  unknown: `No sync has succeeded yet; or there is too little history to say whether what does not come is late, ${hours(trustedForMs.get('pull'))} hours after a pull, ${hours()} after anything else but an imported file; or the connection was revoked, and nothing is expected.`,
};
const stateDescriptions: Record<LinkState, string> = {
  connected: 'It can: the connection was made, or data has come.',
  needs_reconnect: 'It cannot until the person connects again: the connection has broken.',
  disconnected: 'It cannot: the connection was revoked.',
  unknown: 'Nothing tells yet.',
};
const healthNames = Object.keys(healthDescriptions).map((health) => health.toUpperCase());

/** Connections: how the syncs of a user with each provider stand. */
export function addConnections(builder: Builder, { User }: UserTypes, { SyncRun }: RunTypes) {
  const ConnectionHealthEnum = addEnum(
    builder,
    'ConnectionHealth',
    `What the syncs of a connection show. Of several that are true, the first counts of ${healthNames.join(', ')}.`,
    healthDescriptions,
  );
  const LinkStateEnum = addEnum(builder, 'LinkState', 'Whether data of a connection can come.', stateDescriptions);
  const ProviderLink = builder.prismaObject('ProviderLink', {
    description:
      'How the syncs of a user with one provider stand, as the log tells it, and what is reported of the connection. Times are those of the producers, but never later than when they were recorded.',
    fields: (t) => ({
      provider: t.exposeString('provider'),
      user: t.field({
        type: User,
        description: 'Whose connection it is.',
        authScopes: { read: true },
        resolve: ({ userId }, _, context) => requireUser(userId, context),
      }),
      state: t.field({
        type: LinkStateEnum,
        description: 'Whether data can come: as sources tell of connections, and as syncs show.',
        resolve: ({ state }) => linkStates.find((known) => known === state) ?? 'unknown',
      }),
      stateSince: t.expose('stateSince', { type: 'DateTime', nullable: true }),
      connectedAt: t.expose('connectedAt', { type: 'DateTime', nullable: true }),
      revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
      problem: t.exposeString('problem', { nullable: true }),
      connectionId: t.exposeString('connectionId', { nullable: true }),
      lastAttemptAt: t.expose('lastAttemptAt', { type: 'DateTime', nullable: true }),
      lastSuccessAt: t.expose('lastSuccessAt', { type: 'DateTime', nullable: true }),
      lastDataAt: t.expose('lastDataAt', { type: 'DateTime', nullable: true }),
      consecutiveFailures: t.exposeInt('consecutiveFailures'),
      currentRun: t.field({
        type: SyncRun,
        nullable: true,
        description: 'The run that is under way, of several the one with the newest event; a stalled run is none.',
        authScopes: { read: true },
        resolve: async (connection, _, context) => (await currentRun(connection, context)) ?? null,
      }),
      lastRun: t.field({
        type: SyncRun,
        nullable: true,
        description: 'The run whose first event was recorded last; null when it is no longer kept.',
        authScopes: { read: true },
        resolve: ({ userId, lastRunId }, _, context) =>
          lastRunId === null ? null : findRun({ userId, runId: lastRunId }, context),
      }),
      health: t.field({
        type: ConnectionHealthEnum,
        description: 'What the syncs show, at the moment of this answer.',
        resolve: async (link, _, context) => healthOf(link, await currentRun(link, context), context).health,
      }),
    }),
  });

  builder.prismaObjectField(User, 'connections', (t) =>
    t.field({
      type: [ProviderLink],
      ...withItems({ most: 'connectionsPerUser' }),
      description: `The user's connections, one for each provider that a sync or a connection was reported of; at most ${inWords(defaultLimits.connectionsPerUser)}.`,
      authScopes: { read: true },
      resolve: async ({ id }, _, { load }) => [...(await load(connectionsByUser, id))],
    }),
  );
  return { ProviderLink, LinkState: LinkStateEnum, ConnectionHealth: ConnectionHealthEnum };
}

export type ConnectionTypes = ReturnType<typeof addConnections>;
