import type { FilledDatabase } from '../data/databases.ts';
import type { Shot } from '../measure/load.ts';
import { type Contestant, inTurns } from '../measure/rounds.ts';
import { serverOf, withServers } from '../measure/server-process.ts';
import type { Bench } from '../part.ts';
import { type Comparison, cpuAgainst, requestLines } from '../report/comparison.ts';
import { graphqlShot, recentDocument, userIds } from './requests.ts';

const servers = { Synclog: 'src/main.ts', unpriced: 'bench/peers/unpriced.ts' } as const;

const USERS = 100;
const CONNECTIONS = 4;
/** Documents that nobody has sent before, for each second of a round. */
const DOCUMENTS = 300;

/** Q2: what it costs to count what operations cost, on a server that makes every answer anew. */
export async function measureBill(
  { provider, url, apiKey }: FilledDatabase,
  { options, say }: Bench,
): Promise<Comparison[]> {
  const headers = { 'x-api-key': apiKey };
  const users = userIds(1, USERS);
  const known = users.map((id) => graphqlShot(recentDocument, { id }, headers));
  let written = 0;
  const unseen = (count: number): Shot[] =>
    Array.from({ length: count }, (_, index) => {
      written += 1;
      return graphqlShot(`${recentDocument} # ${written}`, { id: users[index % USERS] }, headers);
    });
  return await withServers(
    url,
    servers,
    async (started) => {
      const compare = async (title: string, goal: number, shots: (seconds: number) => Partial<Contestant>) => {
        say(`bill, ${provider}: ${title}`);
        const contestants = Object.keys(servers).map((name) => {
          const { url: at, pid } = serverOf(started, name);
          return { name, url: at, pid, warmUp: known, ...shots(options.seconds) };
        });
        const rounds = { ...options, warmUpSeconds: 4 * options.seconds };
        const outcomes = await inTurns(contestants, rounds, { connections: CONNECTIONS });
        return {
          ...{ id: 'Q2', database: provider, title: `counting what is asked: ${title}` },
          lines: requestLines(outcomes),
          results: [cpuAgainst('unpriced', outcomes, goal)],
        };
      };
      return [
        await compare('a document that is known, 50 events of another user each time', 1.1, () => ({})),
        await compare('a document that was never seen', 1.2, (seconds) => ({
          warmUp: unseen(Math.ceil(2 * DOCUMENTS * seconds)),
          warmUpOnce: true,
          fresh: () => unseen(Math.ceil(DOCUMENTS * seconds)),
        })),
      ];
    },
    { CACHE: 'off' },
  );
}
