import type { ProviderLink } from '../db/rows.ts';

/** Whether data of a connection can come, and who has to do something if not. */
export const linkStates = ['connected', 'needs_reconnect', 'disconnected', 'unknown'] as const;
export type LinkState = (typeof linkStates)[number];

/** Something that was told of the state of a connection, by a source or by an event. */
export interface LinkFact {
  readonly state: Exclude<LinkState, 'unknown'>;
  /** When it was so, as whoever told it says. */
  readonly at: Date;
  /** What is wrong, in the words that told it; null when nothing is. */
  readonly problem: string | null;
  /** The event that told it; null where it was told otherwise. */
  readonly problemSequence: number | null;
  /** The class of the reason; empty when nothing is wrong. */
  readonly reasonClass: string;
}

/** A connection after one more fact. One that is older than the newest that was told changes nothing: messages come in any order. */
export function foldLinkFact(
  link: ProviderLink,
  { state, at, problem, problemSequence, reasonClass }: LinkFact,
): ProviderLink {
  if (link.stateAt && at < link.stateAt) return link;
  return {
    ...link,
    state,
    stateSince: link.state === state && link.stateSince ? link.stateSince : at,
    stateAt: at,
    problem,
    problemSequence,
    reasonClass,
  };
}
