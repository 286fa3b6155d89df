import type { ProviderLink as LinkRow } from '../db/rows.ts';
import { type EventTypes, findEvent } from '../events/events.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import type { Context } from '../graphql/context.ts';
import { withItems } from '../graphql/items.ts';
import type { ReasonTypes } from '../reasons/reasons.graphql.ts';
import { type ConnectionTypes, currentRun, healthOf } from './connections.graphql.ts';
import { type Explained, explain } from './explain.ts';
import { dataTypesByConnection } from './link-data-types.graphql.ts';
import { reasonOfLink } from './link-reason.graphql.ts';

interface ExplainedLink extends Explained {
  readonly userId: string;
}

/** Events that prove a verdict. */
const MOST_EVIDENCE = 5;

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
      description: 'How the connection stands, at the moment of this answer.',
      authScopes: { read: true },
      resolve: explainLink,
    }),
  );
}

async function explainLink(link: LinkRow, _: object, context: Context): Promise<ExplainedLink> {
  const { userId, provider } = link;
  const [run, reason, dataTypes] = await Promise.all([
    currentRun(link, context),
    reasonOfLink(link, {}, context),
    context.load(dataTypesByConnection, { userId, provider }),
  ]);
  const running = run && { sequence: run.lastSequence, since: run.newestStartedAt ?? run.startedAt };
  const standing = { link, health: healthOf(link, run, context), reason, dataTypes, running, now: context.now };
  return { userId, ...explain(standing) };
}
