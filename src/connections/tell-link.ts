import type { ProviderLink } from '../db/rows.ts';
import { reasonOfWord } from '../reasons/sync-reason.ts';
import { newLink } from './fold-connection.ts';
import { foldLinkFact } from './link-state.ts';
import { meaningOfLinkWord } from './link-words.ts';

/** What a source tells of a connection: that it was made, or that it was revoked. */
export type LinkNews = Pick<ProviderLink, 'userId' | 'provider' | 'connectionId'> & { readonly at: Date } & (
    | { readonly kind: 'created' }
    /** The reason is an open word: of one that no rule knows only this is certain, that the connection is over. */
    | { readonly kind: 'revoked'; readonly reason: string; readonly isBroken?: boolean }
    /** Something to know of it, which leaves its state alone. */
    | { readonly kind: 'noted'; readonly reason: string }
  );

/**
 * A connection after one more piece of news; undefined where that was told before. It is as old as it says: news of the same
 * kind that is not newer than the newest was told before, or has been overtaken by it.
 */
export function foldLinkNews(link: ProviderLink | undefined, news: LinkNews): ProviderLink | undefined {
  const before = link ?? newLink(news);
  const { at, connectionId } = news;
  if (news.kind === 'noted') return withNote(before, news.reason, news);
  const known = news.kind === 'created' ? before.connectedAt : before.revokedAt;
  if (known && at <= known) return undefined;
  const isOvertaken = isNewer(before.stateAt, at);
  const told = { ...before, connectionId: (isOvertaken ? null : connectionId) ?? before.connectionId };
  if (news.kind === 'created') {
    if (isOvertaken) return { ...told, connectedAt: at };
    // Since now the first sync is waited for, unless one has been heard of since.
    const isWaiting = (!before.lastSuccessAt || before.state !== 'connected') && !isNewer(before.waitingSince, at);
    const made = { ...told, connectedAt: at, waitingSince: isWaiting ? at : before.waitingSince };
    // What has failed since, fails still.
    const { problem, problemSequence, reasonClass, failingSince, consecutiveFailures } = before;
    if (!isOver(before) && consecutiveFailures > 0 && failingSince !== null && !isNewer(at, failingSince)) {
      return foldLinkFact(made, { state: 'connected', at, problem, problemSequence, reasonClass });
    }
    return foldLinkFact(
      { ...made, consecutiveFailures: 0, failingSince: null, emptySuccesses: 0 },
      { state: 'connected', at, problem: null, problemSequence: null, reasonClass: '' },
    );
  }
  const isBroken = news.isBroken ?? meaningOfLinkWord(news.reason) === 'needs_reconnect';
  const state = isBroken ? 'needs_reconnect' : 'disconnected';
  const reasonClass = isBroken ? 'RECONNECT_NEEDED' : classOf(news.reason);
  return foldLinkFact(
    { ...told, revokedAt: at },
    { state, at, problem: news.reason, problemSequence: null, reasonClass },
  );
}

/**
 * What is noted says nothing of the state, and so has an order of its own. What has broken a connection, or makes its syncs
 * fail, stays to be seen; what is newer has shown that all is well, and a good word says nothing.
 */
function withNote(link: ProviderLink, reason: string, { at, connectionId }: LinkNews): ProviderLink | undefined {
  const { stateAt, lastSuccessAt, notedAt, problem, problemSequence } = link;
  const isOvertaken = [stateAt, lastSuccessAt, notedAt].some((time) => isNewer(time, at));
  const isFailing = link.consecutiveFailures > 0 && problemSequence !== null;
  const isKnown = problem === reason && problemSequence === null;
  const isGood = classOf(reason) === '' || meaningOfLinkWord(reason) === 'connected';
  if (isOvertaken || isOver(link) || isFailing || isKnown || isGood) return undefined;
  return {
    ...link,
    connectionId: connectionId ?? link.connectionId,
    problem: reason,
    problemSequence: null,
    reasonClass: classOf(reason),
    notedAt: at,
  };
}

function isOver({ state }: ProviderLink): boolean {
  return state === 'needs_reconnect' || state === 'disconnected';
}

function isNewer(one: Date | null, other: Date | null): boolean {
  return one !== null && other !== null && one > other;
}

/** Empty where a word says that all is well. */
function classOf(reason: string): string {
  return reasonOfWord(reason)?.class ?? '';
}
