import { dataTypeReason, dataTypeState } from '../data-types/data-type-state.ts';
import type { ProviderDataType, ProviderLink } from '../db/rows.ts';
import { type SourceWord, wordOf } from '../log/words.ts';
import type { Judgement, ReasonActor, ReasonClass } from '../reasons/reason-rules.ts';
import { type Backfill, backfillOf, readBackfill } from './backfill.ts';
import type { JudgedHealth } from './connection-health.ts';

/** What is looked at to say in one sentence how a connection stands. */
export interface Standing {
  readonly link: ProviderLink;
  readonly health: JudgedHealth;
  /** What is wrong with the connection; null when nothing is. */
  readonly reason: Judgement | null;
  readonly dataTypes: readonly ProviderDataType[];
  /** The newest event of the run that is under way, and when that began. */
  readonly running: { readonly sequence: number; readonly since: Date | null } | undefined;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/** How a connection stands, since when, who can do something about it, and the events that prove it. */
export interface Explained {
  readonly verdict: string;
  readonly since: Date | null;
  /** Null where nobody has to do anything. */
  readonly actor: ReasonActor | null;
  /** Sequences in the log of the user, the most telling first. */
  readonly evidence: readonly number[];
}

/** Says how a connection stands, or undefined where that is not how it stands. */
type Rule = (standing: Standing) => Explained | undefined;

const day = 86_400_000;
/** Types of data that a sentence names. */
const NAMED = 5;

const failingFor: Readonly<Record<ReasonClass, string>> = {
  RECONNECT_NEEDED: 'Syncs fail: the person has to connect again.',
  RATE_LIMITED: 'Syncs fail: the provider was asked too often, and lets nobody in for a while.',
  PROVIDER_DOWN: 'Syncs fail: the provider does not answer.',
  TIMEOUT: 'Syncs fail: they take too long.',
  SCOPE_DENIED: 'Syncs fail: the person has not granted what they need.',
  INVALID_DATA: 'Syncs fail: what comes cannot be read.',
  INTERNAL: 'Syncs fail: the platform itself has failed.',
  OTHER: 'Syncs fail for a reason that no rule knows.',
};

/** Data of these comes when the person does something; that of all others when the platform asks for it. */
const broughtByPerson: readonly string[] = ['webhook', 'sdk', 'xml_import'] satisfies SourceWord[];

/** All verdicts. The first that applies counts: what somebody has to do before the rest, then what is under way, then the rest. */
const rules: readonly Rule[] = [
  ({ link }) =>
    link.state === 'disconnected'
      ? {
          verdict: 'The connection was revoked: no data comes until the person connects again.',
          since: link.stateSince,
          actor: 'USER',
          evidence: known(link.problemSequence, link.successSequence),
        }
      : undefined,

  ({ link, reason }) =>
    link.state === 'needs_reconnect'
      ? {
          verdict: 'The connection has broken: no data comes until the person connects again.',
          since: link.stateSince,
          actor: reason?.actor ?? 'USER',
          evidence: known(link.problemSequence, link.successSequence),
        }
      : undefined,

  ({ link, health, reason }) =>
    health.health === 'failing'
      ? {
          verdict: failingFor[reason?.class ?? 'OTHER'],
          since: link.failingSince,
          actor: reason?.actor ?? 'OPERATOR',
          evidence: known(link.problemSequence, link.successSequence),
        }
      : undefined,

  ({ dataTypes }) => {
    const denied = dataTypes.filter((type) => dataTypeState(type) === 'not_granted');
    return denied.length === 0
      ? undefined
      : {
          verdict: `Syncs succeed, but the person has not granted ${namesOf(denied)}.`,
          since: earliestOf(denied),
          actor: 'USER',
          evidence: sequencesOf(denied),
        };
  },

  ({ link, health }) =>
    health.health === 'no_progress'
      ? {
          verdict: link.lastDataAt
            ? 'Syncs succeed and bring no data, for longer than this person usually has none.'
            : 'Syncs succeed, and no data has ever come.',
          since: link.lastDataAt ?? link.firstAttemptAt,
          actor: 'USER',
          evidence: known(link.successSequence, link.dataSequence),
        }
      : undefined,

  (standing) => {
    const backfill = openBackfillOf(standing);
    return backfill && standing.running
      ? {
          verdict: `The history is coming in${percentOf(backfill)}.`,
          since: standing.running.since,
          actor: 'WAIT',
          evidence: known(standing.running.sequence),
        }
      : undefined;
  },

  ({ running }) =>
    running && {
      verdict: 'A sync is under way.',
      since: running.since,
      actor: 'WAIT',
      evidence: known(running.sequence),
    },

  ({ link, health }) =>
    health.health === 'delayed'
      ? {
          verdict: 'Nothing has come for longer than is usual for this connection.',
          since: health.since === undefined ? null : new Date(health.since),
          actor: broughtByPerson.includes(wordOf(link.source ?? '')) ? 'USER' : 'OPERATOR',
          evidence: known(link.successSequence),
        }
      : undefined,

  ({ dataTypes }) => {
    const failed = dataTypes.filter((type) => dataTypeState(type) === 'failed');
    const [first] = failed;
    return (
      first && {
        verdict: `Syncs succeed, but not for ${namesOf(failed)}.`,
        since: earliestOf(failed),
        actor: dataTypeReason(first)?.actor ?? 'OPERATOR',
        evidence: sequencesOf(failed),
      }
    );
  },

  ({ link, reason }) =>
    reason && link.lastSuccessAt
      ? {
          verdict: 'The newest sync has failed; those before succeeded.',
          since: link.failingSince,
          actor: reason.actor,
          evidence: known(link.problemSequence, link.successSequence),
        }
      : undefined,

  ({ link, reason }) =>
    link.firstAttemptAt && !link.lastSuccessAt
      ? {
          verdict: 'No sync has succeeded yet.',
          since: link.firstAttemptAt,
          actor: reason?.actor ?? null,
          evidence: known(link.problemSequence),
        }
      : undefined,

  ({ link }) =>
    link.firstAttemptAt
      ? undefined
      : {
          verdict: 'The person has connected, and no sync has been reported yet.',
          since: link.connectedAt,
          actor: 'WAIT',
          evidence: [],
        },

  (standing) => {
    const backfill = openBackfillOf(standing);
    return (
      backfill && {
        verdict: `The history has not come in to its end${percentOf(backfill)}.`,
        since: standing.link.lastSuccessAt,
        actor: 'OPERATOR',
        evidence: known(standing.link.successSequence),
      }
    );
  },

  ({ link, health }) =>
    health.health === 'unknown'
      ? {
          verdict: 'Nothing has come for a while, and there is too little history to say whether that is late.',
          since: link.lastSuccessAt,
          actor: null,
          evidence: known(link.successSequence),
        }
      : undefined,

  ({ link, now }) =>
    link.lastDataAt && now - link.lastDataAt.getTime() >= day
      ? {
          verdict: 'All is well: data comes now and then, and for this person the next is not late.',
          since: link.lastDataAt,
          actor: null,
          evidence: known(link.dataSequence, link.successSequence),
        }
      : undefined,
];

const wellWithHistory = 'All is well: syncs succeed, and the history has come in.';
const well = 'All is well: syncs succeed.';

/** How a connection stands, in one sentence by rule. Pure. */
export function explain(standing: Standing): Explained {
  for (const rule of rules) {
    const explained = rule(standing);
    if (explained) return explained;
  }
  const { link } = standing;
  return {
    verdict: backfillOf(readBackfill(link.backfill)).done ? wellWithHistory : well,
    since: link.stateSince,
    actor: null,
    evidence: known(link.successSequence, link.dataSequence),
  };
}

/** A history that was asked for and has not ended. */
function openBackfillOf({ link }: Standing): Backfill | undefined {
  const backfill = backfillOf(readBackfill(link.backfill));
  return backfill.done === false ? backfill : undefined;
}

function percentOf({ percent }: Backfill): string {
  return percent === null ? '' : `: ${percent} %`;
}

function known(...sequences: readonly (number | null)[]): number[] {
  return [...new Set(sequences.filter((sequence) => sequence !== null))];
}

/** The names of types in a sentence; of many, the first ones and how many more there are. */
function namesOf(types: readonly ProviderDataType[]): string {
  const names = types.map(({ dataType }) => dataType);
  if (names.length > NAMED) return `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more`;
  const last = names.pop();
  return names.length > 0 ? `${names.join(', ')} and ${last}` : String(last);
}

function earliestOf(types: readonly ProviderDataType[]): Date {
  return types.map(({ toldAt }) => toldAt).reduce((one, other) => (other < one ? other : one));
}

function sequencesOf(types: readonly ProviderDataType[]): number[] {
  return known(...types.map(({ toldSequence }) => toldSequence)).slice(0, NAMED);
}
