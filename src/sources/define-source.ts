import type { Connections } from '../connections/connections.ts';
import type { DataTypes } from '../data-types/data-types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Outages } from '../lib/outages.ts';
import type { Limits } from '../limits.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Users } from '../users/users.ts';
import type { IgnoredEntry } from './ignored-entries.ts';
import type { Quarantine, UnreadableEntry } from './quarantine.ts';
import type { Source } from './source.ts';
import type { SettingsShape, ValuesOf } from './source-settings.ts';

/** What every source works with. Nothing else of the server is within its reach. */
export interface SourceTools {
  /** The source's own row: it is told what was counted, how the source stands and what went wrong. */
  readonly source: Source;
  readonly log: EventLog;
  readonly users: Users;
  readonly connections: Pick<Connections, 'tell'>;
  readonly dataTypes: Pick<DataTypes, 'tell'>;
  /** Takes entries that cannot be read or stored, under the source's name. */
  readonly quarantine: Quarantine;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Where what the source is fed by is watched. */
  readonly outages: Outages;
  /** Takes failures that nobody waits for. */
  readonly onError: (error: unknown) => void;
}

/** Feeds the log until the signal aborts: the server closes, or another instance has taken the source. */
type Worker = (signal: AbortSignal) => Promise<void>;

/** A request that has come to a webhook. */
export interface Delivery {
  /** The bytes as they came, `webhookBytes` of them at most. */
  readonly body: Buffer;
  /** The value of a header, empty where the request has none of this name. */
  readonly header: (name: string) => string;
}

export const deliveryOutcomes = ['recorded', 'duplicate', 'ignored', 'quarantined'] as const;

/** What became of a delivery. Each of these is final and durable: the sender need not send it again. */
export type DeliveryOutcome = (typeof deliveryOutcomes)[number];

/**
 * Takes a delivery. Resolves once what it says is durable, or to why it says nothing to the log, or cannot be read or stored.
 *
 * A receiver checks the signature, makes a draft of the body (`fitDraft` cuts texts that are too long), makes the user if
 * it may (`users.ensure`), and calls `log.record` with an id that is derived from the delivery, so that a second delivery
 * is a duplicate. A conflict of that id becomes an {@link UnreadableEntry}, for the quarantine; NOT_FOUND for a user who has
 * been deleted an {@link IgnoredEntry}.
 * @throws AppError UNAUTHENTICATED for a wrong signature, BAD_USER_INPUT for a body that no sender means, UNAVAILABLE
 */
export type Receiver = (delivery: Delivery) => Promise<'recorded' | 'duplicate' | IgnoredEntry | UnreadableEntry>;

/** A webhook as the API description shows it. */
export interface WebhookDescription {
  /** What follows `/api/v1/webhooks/`. */
  readonly path: string;
  /** Names the operation for generated clients. */
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  /** The header that proves who has sent a delivery, and the name of this way to prove it. */
  readonly signature: { readonly scheme: string; readonly header: string; readonly description: string };
}

// The members that take values are methods, not properties: only so do sources with settings of their own fit one list.

interface Webhook<Shape extends SettingsShape> extends WebhookDescription {
  /** Called once, when the server opens. */
  createReceiver(values: ValuesOf<Shape>, tools: SourceTools): Receiver;
}

interface Common<Shape extends SettingsShape> {
  /** The name of the source's row, of its metrics and of its entries in quarantine. A new name is a new source. */
  readonly name: string;
  /**
   * Environment variables, each with how it is read; at least one has no default. The source is set up once one of them is
   * given, and then needs all that have no default.
   */
  readonly settings: Shape;
  /**
   * Does the platform know users before the source brings their first event? Then a user who is not known here may be one
   * of them, and is awaited: see `EventLog.awaitsUsers`.
   */
  readonly bringsUsers?: true;
}

/** A source that is read: by one instance at a time, the one that holds the source. */
interface ReadSource<Shape extends SettingsShape> extends Common<Shape> {
  readonly webhook?: undefined;
  /** Called once, when the server opens. The worker is called each time that this instance has taken the source. */
  createWorker(values: ValuesOf<Shape>, tools: SourceTools): Worker;
}

/** A source that delivers: to every instance that is set up for it. */
interface DeliveringSource<Shape extends SettingsShape> extends Common<Shape> {
  readonly webhook: Webhook<Shape>;
}

/** Something that feeds the log: its name, its settings, and how its entries are fetched or taken. */
export type SourceDefinition<Shape extends SettingsShape = SettingsShape> = ReadSource<Shape> | DeliveringSource<Shape>;

/** Lets the compiler derive the types of a source's values from its settings. */
export function defineSource<Shape extends SettingsShape>(definition: SourceDefinition<Shape>): SourceDefinition {
  return definition;
}
