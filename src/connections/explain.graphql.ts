import type { ProviderLink as LinkRow, SyncRun } from '../db/rows.ts';
import { findEvent } from '../events/event-connection.graphql.ts';
import type { EventTypes } from '../events/events.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { withItems, withReads } from '../graphql/items.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import { reasonOf } from '../reasons/sync-reason.ts';
import { runHealth } from '../runs/run-health.ts';
import { findRun } from '../runs/runs.graphql.ts';
import { backfillOf, readBackfill } from './backfill.ts';
import { type ConnectionTypes, currentRun, healthOf } from './connections.graphql.ts';
import { explain, MOST_EVIDENCE } from './explain.ts';
import { failedTypesByConnection } from './link-data-types.graphql.ts';
import { reasonOfLink } from './link-reason.graphql.ts';
import type { Explained, Standing } from './standing.ts';

interface ExplainedLink extends Explained {
  readonly userId: string;
}

/** How a connection stands in one sentence, as a field of it. */
export function addExplanation(
  builder: Builder,
  { ProviderLink }: ConnectionTypes,
  { SyncEvent }: EventTypes,
  { SyncActor }: ReasonTypes,
): void {
  const Explanation = builder.objectRef<ExplainedLink>('Explanation').implement({
    description: 'How a connection stands: in one sentence by rule, with what proves it.',
    fields: (t) => ({
      verdict: t.exposeString('verdict', {
        description: 'One sentence. Of several that are true, the one of which somebody has to know first.',
      }),
      since: t.expose('since', {
        type: 'DateTime',
        nullable: true,
        description: 'Since when; null where nothing tells.',
      }),
      actor: t.expose('actor', {
        type: SyncActor,
        nullable: true,
        description: 'Who can do something about it; null where nobody has to.',
      }),
      evidence: t.field({
        type: [SyncEvent],
        ...withItems({ most: MOST_EVIDENCE }),
        description: `The events that say so, the most telling first, as far as they are kept; at most ${MOST_EVIDENCE}.`,
        authScopes: { read: true },
        resolve: async ({ userId, evidence }, _, context) => {
          const events = await Promise.all(evidence.map((sequence) => findEvent({ userId, sequence }, context)));
          return events.filter((event) => event !== null);
        },
      }),
    }),
  });
  builder.prismaObjectField(ProviderLink, 'explain', (t) =>
    t.field({
      type: Explanation,
      ...withReads(2), // beside the reason's event: the runs under way, and types of data that failed
      description: 'How the connection stands, at the moment of this answer.',
      authScopes: { read: true },
      resolve: explainLink,
    }),
  );
}

async function explainLink(link: LinkRow, _: object, context: Context): Promise<ExplainedLink> {
  const { userId, provider } = link;
  const [run, reason, dataTypes, history] = await Promise.all([
    currentRun(link, context),
    reasonOfLink(link, {}, context),
    context.load(failedTypesByConnection, { userId, provider }),
    findHistory(link, context),
  ]);
  const running = run && { sequence: run.lastSequence, since: beginningOf(run) };
  const standing = {
    link,
    health: healthOf(link, run, context),
    reason,
    hidesProblem: context.hidden.error,
    dataTypes,
    running,
    history,
    now: context.now,
  };
  return { userId, ...explain(standing) };
}

/** The newest run about a history that has not ended, as far as it is kept. */
async function findHistory({ userId, backfill }: LinkRow, context: Context): Promise<Standing['history']> {
  const state = readBackfill(backfill);
  if (!state || backfillOf(state).done) return undefined;
  const run = await findRun({ userId, runId: state.run }, context);
  if (!run) return undefined;
  const { lastSequence: sequence, failedSequence, failedBatchCount: failedBatches } = run;
  const isUnderWay = ['active', 'quiet'].includes(runHealth(run, context.now));
  const failed = failedSequence === null ? null : await findEvent({ userId, sequence: failedSequence }, context);
  return {
    newest: { sequence, since: isUnderWay ? beginningOf(run) : run.lastEventAt },
    isUnderWay,
    failedBatches,
    failure: failed
      ? {
          sequence: failed.sequence,
          since: failed.endedAt ?? failed.timestamp,
          actor: reasonOf(failed)?.actor ?? 'OPERATOR',
        }
      : undefined,
  };
}

const beginningOf = (run: SyncRun) => run.newestStartedAt ?? run.startedAt ?? run.openedAt;
