import type { ProviderLink, SyncRun } from '../db/rows.ts';
import type { SyncEvent } from '../log/event.ts';
import { meantScope } from '../log/meant-scope.ts';
import { isMilestone } from '../log/record/fold-milestone.ts';
import { toldLateMs } from '../log/told-late.ts';
import { type ScopeWord, type SourceWord, type StatusWord, scopeWords, wordOf } from '../log/words.ts';
import { reasonOf } from '../reasons/sync-reason.ts';
import { isAboutHistory, scopeOfRun } from './about-history.ts';
import { leavesItToOthers } from './backfill.ts';
import { UNJUDGED } from './connection-health.ts';
import { countItems } from './count-items.ts';
import { foldLinkFact } from './link-state.ts';
import { foldRhythms, readRhythms } from './rhythms.ts';
import { foldUnderWay, readUnderWay } from './under-way.ts';

type Meaning = 'success' | 'failure' | 'nothing';

/** What a run's status says of the connection. A word that this server does not know says nothing. */
const meaningOf: Readonly<Record<StatusWord, Meaning>> = {
  in_progress: 'nothing',
  success: 'success',
  partial: 'success',
  failed: 'failure',
  cancelled: 'nothing',
  skipped: 'nothing',
  unfinished: 'nothing',
  stale: 'nothing',
};
const meanings = new Map<string, Meaning>(Object.entries(meaningOf));

/** Where the platform asks the provider for data. */
const askingSources: readonly string[] = ['pull', 'backfill'] satisfies SourceWord[];

/** Of a status that this server does not know, the stage may still say that the run has failed. */
function meaningOfEvent(event: SyncEvent): Meaning {
  if (foundNothingNew(event)) return 'success';
  return meanings.get(wordOf(event.status)) ?? (wordOf(event.stage) === 'failed' ? 'failure' : 'nothing');
}

/** Open Wearables says of a pull that it was skipped where the provider was asked for each type of data, and had none. */
function foundNothingNew(event: SyncEvent): boolean {
  if (wordOf(event.status) !== 'skipped' || leavesItToOthers(event)) return false;
  return askingSources.includes(wordOf(event.source)) && countItems(event) === 0;
}

/**
 * A user's connection to a provider after one more event that is not late, in order of sequence.
 * - An attempt is a run, or a notification that is a run by itself; it was made when the run began.
 * - A success is a run that ended as `success` or `partial`: something of it was done. It brought data if it counted at
 *   least one item; if it counted none it was empty; without a count it may have been either, so it changes neither the
 *   time of the last data nor the row of empty successes.
 *   A pull that was skipped although it counted, and none, has asked the provider: that is an empty success.
 * - A failure is a run that ended as `failed`. Others that were `skipped` had nothing to do and `cancelled` was stopped by
 *   somebody: they say nothing about the connection and leave its rows alone. So does a run that never ends.
 *
 * The state follows: a failure for which the person has to connect again says that the connection is broken, and a success of
 * a run that began after that says that it is not. A run that was under way when a connection was revoked may still end well.
 *
 * What comes in a row is told by the order of the log, whatever the producers' clocks say. Times only move forward, and
 * never past the moment of recording: a clock that is ahead would otherwise hide all that follows.
 * @param runBefore the event's run as it stood before the event; undefined for its first one
 */
export function foldConnection(
  connection: ProviderLink | undefined,
  event: SyncEvent,
  runBefore: SyncRun | undefined,
): ProviderLink {
  const isFirst = runBefore === undefined;
  const past = (time: Date) => earlier(time, event.recordedAt);
  const begunAt = past(event.startedAt ?? event.timestamp);
  const known = connection ?? newLink(event);
  const before = known.firstAttemptAt
    ? known
    : { ...known, waitingSince: heardAt(begunAt, event), source: event.source };
  const begun = isFirst || event.startedAt ? withAttempt(before, event, begunAt, isFirst) : before;
  const attempted = withRun(begun, event, runBefore);
  const endedAt = past(event.endedAt ?? event.timestamp);
  const meaning = meaningOfEvent(event);
  if (meaning === 'success') {
    const began = event.startedAt ?? runBefore?.milestoneAt ?? runBefore?.newestStartedAt ?? endedAt;
    const isHistory = isAboutHistory(event, runBefore) || wordOf(event.source) === 'xml_import';
    return foldLinkFact(withSuccess(attempted, event, endedAt, isHistory), { ...connected, at: past(began) });
  }
  return meaning === 'failure' ? withFailure(attempted, event) : attempted;
}

/** A connection of which nothing is known yet. */
export function newLink({ userId, provider }: Pick<ProviderLink, 'userId' | 'provider'>): ProviderLink {
  return {
    userId,
    provider,
    state: 'unknown',
    stateSince: null,
    stateAt: null,
    problem: null,
    notedAt: null,
    problemSequence: null,
    connectionId: null,
    connectedAt: null,
    revokedAt: null,
    firstAttemptAt: null,
    lastAttemptAt: null,
    lastSuccessAt: null,
    lastDataAt: null,
    consecutiveFailures: 0,
    emptySuccesses: 0,
    waitingSince: null,
    source: null,
    lastRunId: null,
    scope: '',
    health: UNJUDGED,
    healthUntil: null,
    reasonClass: '',
    failingSince: null,
    underWay: null,
    rhythm: null,
    backfill: null,
    successSequence: null,
    dataSequence: null,
    lastSequence: 0,
    change: 0n,
  };
}

const noProblem = { problem: null, problemSequence: null, reasonClass: '' };
const connected = { state: 'connected', ...noProblem } as const;

function withAttempt(
  connection: ProviderLink,
  { source, runId }: SyncEvent,
  begunAt: Date,
  isFirst: boolean,
): ProviderLink {
  return {
    ...connection,
    firstAttemptAt: connection.firstAttemptAt ? earlier(connection.firstAttemptAt, begunAt) : begunAt,
    lastAttemptAt: later(connection.lastAttemptAt, begunAt),
    lastRunId: isFirst ? runId : connection.lastRunId,
    source: isFirst && !connection.lastSuccessAt ? source : connection.source,
  };
}

/** What the newest run is about, and which runs are under way. */
function withRun(connection: ProviderLink, event: SyncEvent, runBefore: SyncRun | undefined): ProviderLink {
  const before = readUnderWay(connection.underWay);
  const after = foldUnderWay(before, event);
  const isTold = event.runId === connection.lastRunId && (isMilestone(event) || !runBefore);
  const scope = isTold ? knownScope(scopeOfRun(event, runBefore)) : connection.scope;
  if (after === before && scope === connection.scope) return connection;
  return { ...connection, scope, underWay: after as unknown as ProviderLink['underWay'] };
}

/** What comes out of history says nothing of when the next success, or the person's data, usually comes. */
function withSuccess(connection: ProviderLink, event: SyncEvent, endedAt: Date, isHistory: boolean): ProviderLink {
  const heard = heardAt(endedAt, event);
  const isExpected = !isHistory || !readRhythms(connection.rhythm).success;
  const succeeded: ProviderLink = {
    ...connection,
    lastSuccessAt: later(connection.lastSuccessAt, endedAt),
    ...(isExpected && { waitingSince: heard, source: event.source }),
    consecutiveFailures: 0,
    failingSince: null,
    successSequence: event.sequence,
    rhythm: isHistory ? connection.rhythm : foldRhythms(connection.rhythm, 'success', heard),
    ...(connection.state === 'unknown' || connection.state === 'connected' ? noProblem : {}),
  };
  const items = countItems(event);
  if (items === null) return succeeded;
  if (items === 0) return { ...succeeded, emptySuccesses: connection.emptySuccesses + 1 };
  return {
    ...succeeded,
    lastDataAt: later(connection.lastDataAt, endedAt),
    emptySuccesses: 0,
    dataSequence: event.sequence,
    rhythm: isHistory ? succeeded.rhythm : foldRhythms(succeeded.rhythm, 'data', heard),
  };
}

/** A scope, or what it is where this server does not know the word: lists are found by the words that there are, so they are few. */
export type KnownScope = ScopeWord | 'unrecognized';

function knownScope(scope: string | null): KnownScope {
  const meant = meantScope(scope);
  return scopeWords.find((known) => known === meant) ?? 'unrecognized';
}

/** What is wrong with a broken connection stays to be seen, and who has revoked one wanted that, whatever fails until it is made anew. */
function withFailure(connection: ProviderLink, event: SyncEvent): ProviderLink {
  const at = earlier(event.endedAt ?? event.timestamp, event.recordedAt);
  const failed = {
    ...connection,
    consecutiveFailures: connection.consecutiveFailures + 1,
    failingSince: connection.consecutiveFailures > 0 ? connection.failingSince : at,
  };
  if (connection.state === 'disconnected') return failed;
  const reasonClass = reasonOf(event)?.class ?? 'OTHER';
  const problem = { problem: event.error, problemSequence: event.sequence, reasonClass };
  if (reasonClass === 'RECONNECT_NEEDED') {
    const broken = foldLinkFact(failed, { state: 'needs_reconnect', at, ...problem });
    if (broken !== failed) return broken;
  }
  return connection.state === 'needs_reconnect' ? failed : { ...failed, ...problem };
}

/**
 * When something was heard of, by this server's clock, whatever the producer's says; history is as old as the producer says.
 */
function heardAt(time: Date, { recordedAt }: SyncEvent): Date {
  return recordedAt.getTime() - time.getTime() >= toldLateMs ? time : recordedAt;
}

function earlier(one: Date, other: Date): Date {
  return other.getTime() < one.getTime() ? other : one;
}

function later(one: Date | null, other: Date): Date {
  return one && one.getTime() > other.getTime() ? one : other;
}
