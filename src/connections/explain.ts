import { dataTypeReason, dataTypeState } from '../data-types/data-type-state.ts';
import type { ProviderDataType, ProviderLink } from '../db/rows.ts';
import { type SourceWord, wordOf } from '../log/words.ts';
import { type Backfill, backfillOf, readBackfill } from './backfill.ts';
import { connectionThresholds } from './connection-health.ts';
import { lateAfterMs } from './rhythm.ts';
import { readRhythms } from './rhythms.ts';
import type { Explained, Standing } from './standing.ts';
import { batchesOf, namesOf, newestOf, onOneLine, percentOf, storedOf, why } from './verdict-words.ts';

/** Says how a connection stands, or undefined where that is not how it stands. */
type Rule = (standing: Standing) => Explained | undefined;

const day = 86_400_000;
/** Events that prove a verdict. */
export const MOST_EVIDENCE = 5;
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
          evidence: failureOf(link),
        }
      : undefined,

  ({ link, reason }) =>
    link.state === 'needs_reconnect'
      ? {
          verdict: 'The connection has broken: no data comes until the person connects again.',
          since: link.stateSince,
          // A word that no rule knows says nothing against it.
          actor: reason && reason.class !== 'OTHER' ? reason.actor : 'USER',
          evidence: failureOf(link),
        }
      : undefined,

  ({ link, health, reason }) =>
    health.health === 'failing'
      ? {
          verdict: `Syncs fail: ${why[reason?.class ?? 'OTHER']}.`,
          since: link.failingSince,
          actor: reason?.actor ?? 'OPERATOR',
          evidence: failureOf(link),
        }
      : undefined,

  ({ link, health }) => {
    if (health.health !== 'delayed' || link.consecutiveFailures > 0) return undefined;
    const isPushed = broughtByPerson.includes(wordOf(link.source ?? ''));
    return {
      verdict: isPushed
        ? 'Nothing was pushed for longer than is usual for this person.'
        : 'Nothing has come for longer than is usual for this connection.',
      since: health.since === undefined ? null : new Date(health.since),
      actor: isPushed ? 'USER' : 'OPERATOR',
      evidence: known(link.successSequence),
    };
  },

  ({ link, reason, hidesProblem }) =>
    reason && link.problem !== null && link.consecutiveFailures === 0
      ? {
          verdict: `${link.firstAttemptAt ? 'Syncs do not fail, but the' : 'The'} platform reports ${hidesProblem ? 'that something is wrong' : onOneLine(link.problem)}.`,
          since: link.notedAt,
          actor: reason.actor,
          evidence: [],
        }
      : undefined,

  ({ link, health, running }) =>
    link.connectedAt && !running && !isHeardOfSince(link, link.connectedAt)
      ? {
          verdict: link.firstAttemptAt
            ? 'The person has connected again, and no sync has been reported since.'
            : 'The person has connected, and no sync has been reported yet.',
          since: link.connectedAt,
          // After so long, the first sync is late.
          actor: health.health === 'unknown' && health.since !== undefined ? 'OPERATOR' : 'WAIT',
          evidence: [],
        }
      : undefined,

  ({ link, dataTypes }) => {
    // Who connects anew grants anew.
    const { connectedAt } = link;
    const denied = dataTypes.filter(
      (type) => dataTypeState(type) === 'not_granted' && (!connectedAt || type.toldAt >= connectedAt),
    );
    const succeeds = link.lastSuccessAt && link.consecutiveFailures === 0;
    return denied.length === 0
      ? undefined
      : {
          verdict: `${succeeds ? 'Syncs succeed, but the' : 'The'} person has not granted ${namesOf(denied)}.`,
          since: sinceOf(denied),
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
    const { history } = standing;
    return backfill && history?.isUnderWay
      ? {
          verdict: `The history is coming in${percentOf(backfill)}.`,
          since: history.newest.since,
          actor: 'WAIT',
          evidence: known(history.newest.sequence),
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

  ({ link, reason }) => {
    const failed = link.lastSuccessAt
      ? `${newestOf(link.consecutiveFailures)} failed after others succeeded`
      : 'No sync has succeeded yet';
    return reason
      ? {
          verdict: `${failed}: ${why[reason.class]}.`,
          since: link.failingSince,
          actor: reason.actor,
          evidence: failureOf(link),
        }
      : undefined;
  },

  (standing) => {
    const backfill = openBackfillOf(standing);
    const { history } = standing;
    return backfill?.done === false
      ? {
          verdict: `The history has not come in to its end${percentOf(backfill)}.`,
          since: history?.newest.since ?? null,
          actor: 'OPERATOR',
          evidence: known(history?.newest.sequence ?? null),
        }
      : undefined;
  },

  ({ link }) =>
    link.firstAttemptAt && !link.lastSuccessAt
      ? { verdict: 'No sync has succeeded yet.', since: link.firstAttemptAt, actor: null, evidence: [] }
      : undefined,

  ({ dataTypes }) => {
    const failed = dataTypes.filter((type) => dataTypeState(type) === 'failed');
    const [first] = failed;
    return (
      first && {
        verdict: `Syncs succeed, but not for ${namesOf(failed)}.`,
        since: sinceOf(failed),
        actor: dataTypeReason(first)?.actor ?? 'OPERATOR',
        evidence: sequencesOf(failed),
      }
    );
  },

  (standing) => {
    const backfill = openBackfillOf(standing);
    const { failure, failedBatches = 0 } = standing.history ?? {};
    return backfill && failure && failedBatches > 0
      ? {
          verdict: `Syncs succeed, but ${batchesOf(failedBatches)} of the history failed${storedOf(backfill)}.`,
          since: failure.since,
          actor: failure.actor,
          evidence: known(failure.sequence),
        }
      : undefined;
  },

  ({ link, health }) =>
    health.health === 'unknown' && link.emptySuccesses >= connectionThresholds.emptySuccesses
      ? {
          verdict: 'Syncs succeed and bring no data, and there is too little history to say whether that is unusual.',
          since: link.lastDataAt,
          actor: null,
          evidence: known(link.successSequence, link.dataSequence),
        }
      : undefined,

  ({ link, health }) =>
    health.health === 'unknown'
      ? {
          verdict: 'Nothing has come for a while, and there is too little history to say whether that is late.',
          since: link.lastSuccessAt,
          actor: null,
          evidence: known(link.successSequence),
        }
      : undefined,

  ({ link }) =>
    wordOf(link.source ?? '') === 'xml_import'
      ? {
          verdict: 'What was imported has come in, and nothing more is expected.',
          since: link.lastSuccessAt,
          actor: null,
          evidence: known(link.successSequence),
        }
      : undefined,

  ({ link, now }) =>
    link.lastDataAt && now - link.lastDataAt.getTime() >= day && lateAfterMs(readRhythms(link.rhythm).data) !== null
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
    if (explained) return { ...explained, since: notAfter(explained.since, standing.now) };
  }
  const { link } = standing;
  return {
    verdict: backfillOf(readBackfill(link.backfill)).done ? wellWithHistory : well,
    since: link.stateSince,
    actor: null,
    evidence: known(link.successSequence, link.dataSequence),
  };
}

/** The clock of a producer may be ahead. */
function notAfter(time: Date | null, now: number): Date | null {
  return time && new Date(Math.min(time.getTime(), now));
}

/** A history that has not ended, as far as anybody says. */
function openBackfillOf({ link }: Standing): Backfill | undefined {
  const state = readBackfill(link.backfill);
  const backfill = state && backfillOf(state);
  return backfill && !backfill.done ? backfill : undefined;
}

/** The newest failure, and the success before it; nothing where what is wrong was told by no event. */
function failureOf({ problemSequence, successSequence }: ProviderLink): number[] {
  return problemSequence === null ? [] : known(problemSequence, successSequence);
}

/**
 * Has a sync begun, ended or failed since? One may have been under way at that time. The clock of a producer may be behind, so
 * that also counts when a success was recorded.
 */
function isHeardOfSince(link: ProviderLink, time: Date): boolean {
  const { lastAttemptAt, lastSuccessAt, waitingSince, consecutiveFailures } = link;
  if (consecutiveFailures > 0 || (waitingSince && waitingSince > time)) return true;
  return [lastAttemptAt, lastSuccessAt].some((at) => at && at >= time);
}

function known(...sequences: readonly (number | null)[]): number[] {
  return [...new Set(sequences.filter((sequence) => sequence !== null))];
}

/** Since when the first of them stands so. */
function sinceOf(types: readonly ProviderDataType[]): Date | null {
  const known = types.map(({ stateSince }) => stateSince).filter((since) => since !== null);
  return known.length === types.length ? known.reduce((one, other) => (other < one ? other : one)) : null;
}

function sequencesOf(types: readonly ProviderDataType[]): number[] {
  return known(...types.map(({ toldSequence }) => toldSequence)).slice(0, MOST_EVIDENCE);
}
