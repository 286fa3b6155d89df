import type { FilledDatabase } from '../data/databases.ts';
import { type Population, userId } from '../data/fill.ts';
import type { Shot } from '../measure/load.ts';
import type { Contestant, Rounds } from '../measure/rounds.ts';
import { type MeasuredServer, serverOf } from '../measure/server-process.ts';
import {
  documentWithFilter,
  filteredDocument,
  graphqlShot,
  recentDocument,
  restShot,
  userIds,
  usersDocument,
} from './requests.ts';
import { pageStarts } from './user-pages.ts';

/** One workload, and whose CPU Synclog's is compared with. */
export interface ReadWorkload {
  readonly id: string;
  readonly title: string;
  readonly contestants: readonly Contestant[];
  readonly connections: number;
  readonly against: 'mercurius' | 'bare';
  readonly goal: number;
}

/** What the amount of requests that are made up in advance follows from. */
type Length = Pick<Rounds, 'rounds' | 'seconds'>;

/** Fewer than any bound of anybody's cache. */
const HOT_USERS = 16;
const words = ['garmin', 'oura', 'whoop', 'apple'];

/** Requests of a round that asks for what was never asked for, for each second of its length. */
const FRESH_REQUESTS = 700;
/** The same for pages of {@link USERS_PER_PAGE} users. */
const FRESH_PAGES = 40;
const USERS_PER_PAGE = 20;
/** As many rounds of such requests come before those that are measured, since nothing else takes the same ways in a server. */
const WARM_UP_ROUNDS = 2;
const FIRST_COLD_USER = 100_001;
/** These are the newest ones, with which lists of users begin. */
const FIRST_LISTED_USER = 1_000_001;

/** Users whom each contestant reads once: in R4 one by one, and in R5 by the page. */
export function coldUsers({ rounds, seconds }: Length): Population[] {
  const { requests, pages } = freshIn(seconds);
  return [
    { from: FIRST_COLD_USER, users: (WARM_UP_ROUNDS + rounds) * requests, eventsPerUser: 24 },
    { from: FIRST_LISTED_USER, users: ((WARM_UP_ROUNDS + rounds) * pages + 1) * USERS_PER_PAGE, eventsPerUser: 16 },
  ];
}

function freshIn(seconds: number): { readonly requests: number; readonly pages: number } {
  return { requests: Math.ceil(FRESH_REQUESTS * seconds), pages: Math.ceil(FRESH_PAGES * seconds) };
}

export async function readWorkloads(
  { apiKey }: FilledDatabase,
  servers: ReadonlyMap<string, MeasuredServer>,
  { rounds, seconds, users }: Length & { readonly users: number },
): Promise<ReadWorkload[]> {
  const fresh = freshIn(seconds);
  const allUsers = userIds(1, users);
  const hotUsers = allUsers.slice(0, HOT_USERS);
  const everyone = ['Synclog', 'mercurius', 'stock-yoga', 'apollo'];
  const best = ['Synclog', 'mercurius'];
  const headersOf = (name: string) => (name === 'Synclog' ? { 'x-api-key': apiKey } : {});
  const ask = (name: string, document: string, variables: object): Shot =>
    graphqlShot(name === 'Synclog' ? document : document.replaceAll('UUID!', 'ID!'), variables, headersOf(name));
  const contestantNamed = (name: string) => {
    const { url, pid } = serverOf(servers, name);
    return { name, url, pid };
  };
  const contestants = (names: readonly string[], shots: (name: string) => Shot[]): Contestant[] =>
    names.map((name) => ({ ...contestantNamed(name), warmUp: shots(name) }));
  /** @param shots what has never been asked for before, for a round and for those before the first. */
  const cold = (shots: (name: string, round: number) => Shot[]): Contestant[] =>
    best.map((name) => ({
      ...contestantNamed(name),
      warmUp: Array.from({ length: WARM_UP_ROUNDS }, (_, before) => shots(name, -1 - before)).flat(),
      warmUpOnce: true,
      fresh: (round) => shots(name, round),
    }));
  const recent = (users: readonly string[]) => (name: string) => users.map((id) => ask(name, recentDocument, { id }));

  /** A provider's word that nobody has asked for before; each contestant gets the same ones. */
  const unseen = (round: number, index: number) => [words[index % words.length] ?? '', `unseen-${round}-${index}`];
  const userAt = (index: number) => userId(1 + (index % allUsers.length));
  const each = (count: number, shotAt: (index: number) => Shot) =>
    Array.from({ length: count }, (_, index) => shotAt(index));
  const filtered = (name: string, round: number) =>
    each(fresh.requests, (index) =>
      ask(name, filteredDocument, { id: userAt(index), filter: { providers: unseen(round, index) } }),
    );
  const written = (name: string, round: number) =>
    each(fresh.requests, (index) => ask(name, documentWithFilter(unseen(round, index)), { id: userAt(index) }));

  const known = await Promise.all(
    hotUsers.map((id) => knownShot(serverOf(servers, 'Synclog'), restShot(id, headersOf('Synclog')))),
  );
  const pages = await pageStarts(serverOf(servers, 'Synclog'), headersOf('Synclog'), {
    size: USERS_PER_PAGE,
    count: (WARM_UP_ROUNDS + rounds) * fresh.pages,
  });
  const firstPage = (name: string) => [ask(name, usersDocument, { first: USERS_PER_PAGE })];
  const pagesOf = (name: string, round: number) =>
    pages
      .slice((WARM_UP_ROUNDS + round) * fresh.pages, (WARM_UP_ROUNDS + round + 1) * fresh.pages)
      .map(({ synclog, peers }) =>
        ask(name, usersDocument, { first: USERS_PER_PAGE, after: name === 'Synclog' ? synclog : peers }),
      );

  return [
    {
      id: 'R1',
      title: 'hot poll: 16 users, 50 events of 14 fields',
      contestants: contestants(everyone, recent(hotUsers)),
      connections: 16,
      against: 'mercurius',
      goal: 0.33,
    },
    {
      id: 'R2',
      title: 'the same as REST',
      contestants: contestants(['Synclog', 'bare'], (name) => hotUsers.map((id) => restShot(id, headersOf(name)))),
      connections: 16,
      against: 'bare',
      goal: 0.5,
    },
    {
      id: 'R6',
      title: 'the same for a client that has the answer already',
      contestants: contestants(['Synclog', 'bare'], (name) =>
        name === 'Synclog' ? known : hotUsers.map((id) => restShot(id, {})),
      ),
      connections: 16,
      against: 'bare',
      goal: 0.5,
    },
    {
      id: 'R3',
      title: 'another user each time',
      contestants: contestants(best, recent(allUsers)),
      connections: 16,
      against: 'mercurius',
      goal: 0.5,
    },
    {
      id: 'R4',
      title: 'users never read before',
      contestants: cold((name, round) =>
        recent(userIds(FIRST_COLD_USER + (WARM_UP_ROUNDS + round) * fresh.requests, fresh.requests))(name),
      ),
      connections: 16,
      against: 'mercurius',
      goal: 1.2,
    },
    {
      id: 'R4',
      title: 'a filter never seen, in variables',
      contestants: cold(filtered),
      connections: 16,
      against: 'mercurius',
      goal: 1.2,
    },
    {
      id: 'R4',
      title: 'a filter never seen, in the document',
      contestants: cold(written),
      connections: 16,
      against: 'mercurius',
      goal: 1.2,
    },
    {
      id: 'R5',
      title: '20 users with 5 events each, warm',
      contestants: contestants(everyone, firstPage),
      connections: 4,
      against: 'mercurius',
      goal: 1,
    },
    {
      id: 'R5',
      title: 'the same, 20 users never read before',
      contestants: cold(pagesOf),
      connections: 4,
      against: 'mercurius',
      goal: 1.5,
    },
  ];
}

/** A request of a client that has the answer: it names the answer's tag, and is told 304 as long as nothing has changed. */
async function knownShot({ url }: MeasuredServer, shot: Shot): Promise<Shot> {
  const { headers } = await fetch(url + shot.path, { headers: shot.headers });
  const tag = headers.get('etag');
  if (tag === null) throw new Error(`${shot.path} has no entity tag`);
  return { ...shot, headers: { ...shot.headers, 'if-none-match': tag }, status: 304 };
}
