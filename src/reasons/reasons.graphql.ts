import { findEvent } from '../events/event-connection.graphql.ts';
import type { EventTypes } from '../events/events.graphql.ts';
import type { Builder } from '../graphql/builder.ts';
import { addEnum } from '../graphql/enums.ts';
import type { SyncEvent as Event } from '../log/event.ts';
import type { ReasonActor, ReasonClass } from './reason-rules.ts';
import { reasonOf, type SyncReason } from './sync-reason.ts';

const classDescriptions: Record<ReasonClass, string> = {
  RECONNECT_NEEDED: 'The provider no longer lets the platform in: the user has to connect anew.',
  RATE_LIMITED: 'The provider was asked too often.',
  PROVIDER_DOWN: 'The provider does not answer, or says that it cannot.',
  TIMEOUT: 'Something took too long.',
  SCOPE_DENIED: 'The user has not granted what the sync needs.',
  INVALID_DATA: 'What came could not be read.',
  INTERNAL: 'The platform itself has failed.',
  OTHER: 'Something that no rule knows.',
};

const actorDescriptions: Record<ReasonActor, string> = {
  USER: 'The person whose data is synced.',
  WAIT: 'Nobody: it passes with time.',
  OPERATOR: 'Who runs the platform.',
};

/** Where an event is that is read only if somebody asks for it. */
export type EventPlace = Pick<Event, 'userId' | 'sequence'>;

/** Reasons: why syncs do not succeed. They are found when they are asked for, so that better rules tell more of old events. */
export function addReasons(builder: Builder, { SyncEvent }: EventTypes) {
  const SyncReasonClass = addEnum(builder, 'SyncReasonClass', 'Why a sync did not succeed.', classDescriptions);
  const SyncActor = addEnum(
    builder,
    'SyncActor',
    'Who can do something about a sync that did not succeed.',
    actorDescriptions,
  );
  const SyncReasonType = builder.objectRef<SyncReason<Event | EventPlace | null>>('SyncReason').implement({
    description: 'Why a sync, or a part of it, did not succeed.',
    fields: (t) => ({
      class: t.expose('class', { type: SyncReasonClass, description: 'What kind of reason it is.' }),
      retryable: t.exposeBoolean('retryable', {
        description: 'May the same be tried again with a chance, though nobody has changed anything?',
      }),
      actor: t.expose('actor', { type: SyncActor, description: 'Who can do something about it.' }),
      text: t.exposeString('text', {
        nullable: true,
        description:
          'What the producer says in its own words; null where it says no more than that the sync has failed. It may hold sensitive details, as `error` does.',
      }),
      event: t.field({
        type: SyncEvent,
        nullable: true,
        description: 'The event that says so; null where no event does, or it is no longer kept.',
        authScopes: { read: true },
        resolve: ({ event }, _, context) => (event && !('id' in event) ? findEvent(event, context) : event),
      }),
    }),
  });
  builder.prismaObjectField(SyncEvent, 'reason', (t) =>
    t.field({
      type: SyncReasonType,
      nullable: true,
      description:
        "Why the sync did not succeed, as the event's producer states it or, if not, as its other fields tell; null when they say nothing of the kind.",
      resolve: (event) => reasonOf(event),
    }),
  );
  return { SyncReason: SyncReasonType, SyncReasonClass, SyncActor };
}

export type ReasonTypes = ReturnType<typeof addReasons>;
