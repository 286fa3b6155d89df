import type { ProviderLink } from '../db/rows.ts';
import { reasonOfWord } from '../reasons/sync-reason.ts';
import { newLink } from './fold-connection.ts';
import { foldLinkFact, stateOfRevocation } from './link-state.ts';

/** What a source tells of a connection: that it was made, or that it was revoked. */
export type LinkNews = Pick<ProviderLink, 'userId' | 'provider' | 'connectionId'> & { readonly at: Date } & (
    | { readonly kind: 'created' }
    /** The reason is an open word. */
    | { readonly kind: 'revoked'; readonly reason: string }
  );

/**
 * A connection after one more piece of news; undefined where that was told before. It is as old as it says: news of the same
 * kind that is not newer than the newest was told before, or has been overtaken by it.
 */
export function foldLinkNews(link: ProviderLink | undefined, news: LinkNews): ProviderLink | undefined {
  const before = link ?? newLink(news);
  const { at, connectionId } = news;
  const known = news.kind === 'created' ? before.connectedAt : before.revokedAt;
  if (known && at <= known) return undefined;
  const told = { ...before, connectionId: connectionId ?? before.connectionId };
  if (news.kind === 'created') {
    const isOvertaken = before.stateAt !== null && at < before.stateAt;
    if (isOvertaken) return { ...told, connectedAt: at };
    // Since now the first sync is waited for.
    const isWaiting = !before.lastSuccessAt || before.state !== 'connected';
    const waitingSince = isWaiting ? at : before.waitingSince;
    return foldLinkFact(
      { ...told, connectedAt: at, waitingSince, consecutiveFailures: 0, failingSince: null },
      { state: 'connected', at, problem: null, problemSequence: null, reasonClass: '' },
    );
  }
  const state = stateOfRevocation(news.reason);
  const reasonClass = reasonOfWord(news.reason)?.class ?? 'OTHER';
  return foldLinkFact(
    { ...told, revokedAt: at },
    { state, at, problem: news.reason, problemSequence: null, reasonClass },
  );
}
