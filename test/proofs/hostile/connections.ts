import { graphql } from '../../support/server-process.ts';
import { startBystander } from './bystander.ts';
import { killConnections } from './killed-connections.ts';
import type { Line } from './line.ts';
import { inventoryFigures, inventoryProblems, REST_MS } from './rest.ts';
import { send } from './send.ts';
import type { Sizes } from './sizes.ts';
import { chunk, endlessChunks, openSlowConnections, sendEndlessly, smuggled } from './slow-connections.ts';
import { emptyPing, floodSocket, openSockets, pingFrame, sendFragments } from './socket-floods.ts';
import type { Headers, Target } from './target.ts';

/** Past that, nothing is taken of a body, whoever sends it: the largest one and what is under way. */
const MOST_OF_A_BODY = 64 * 1_048_576;
/** What a flood sends at most, and what a server may take of it that keeps what its client does not read. */
const FLOOD = 200 * 1_048_576;
/** Of sockets and streams, one credential may have a tenth. */
const MOST_OF_ONE = 1_000;
/** Whatever connections a client opens, holds and kills, another one is answered, and nothing is left of them. */
export async function proveConnections(target: Target, sizes: Sizes): Promise<Line> {
  const wrong: string[] = [];
  const { url } = target;
  await killConnections(target, 50, sizes.patienceMs); // what a server takes for good, it takes by now
  const before = await target.takeAtRest(REST_MS);
  const bystander = startBystander(target, sizes.patienceMs);

  const slow = await openSlowConnections(url, sizes.slowConnections);
  for (const bytes of smuggled) {
    const { text, hung } = await send(url, { kind: 'smuggled', door: 'HTTP', form: 'raw', bytes }, sizes.patienceMs);
    const answers = [...text.matchAll(/^HTTP\/1\.1 \d+/gm)].map(([line]) => line);
    if (hung || answers.length > 1 || answers.some((line) => line.endsWith('200')))
      wrong.push(`${JSON.stringify(bytes)} is answered with ${hung ? 'nothing' : answers.join(', ')}`);
  }
  const taken = await sendEndlessly(url, endlessChunks, chunk, 4 * sizes.patienceMs);
  if (taken === undefined || taken > MOST_OF_A_BODY)
    wrong.push(`of chunks without an end ${taken ?? 'all'} bytes were taken`);
  const closed = await sendFragments(url, sizes.fragments, sizes.patienceMs);
  if (closed !== '1008') wrong.push(`${sizes.fragments} fragments of one byte end with ${closed}`);
  const rssBefore = (await target.take()).rss;
  const floods = [
    await floodSocket(target, pingFrame, sizes.floodBytes),
    await floodSocket(target, emptyPing, sizes.floodBytes / 4),
  ];
  const floodGrowth = (await target.take()).rss - rssBefore;
  if (floodGrowth > FLOOD) wrong.push(`pings whose answers nobody reads have taken ${floodGrowth} bytes`);

  const byOne = await openSockets(target, sizes.sockets, [target.admin]);
  if (byOne > MOST_OF_ONE) wrong.push(`one credential has ${byOne} sockets`);
  const byMany = await openSockets(target, sizes.sockets, await newKeys(target, 20));
  if (byMany < sizes.sockets * 0.9) wrong.push(`20 credentials have ${byMany} sockets of ${sizes.sockets}`);
  wrong.push(...(await killConnections(target, sizes.cycles, sizes.patienceMs)));
  const left = await slow.leftAfter(sizes.slowHeadersMs + sizes.patienceMs);
  if (left > 0) wrong.push(`${left} connections with slow headers are still open`);
  slow.cut();

  const { worstMs, queries, failures } = await bystander.leave();
  wrong.push(...new Set(failures.map((failure) => `a bystander's small query is ${failure}`)));
  const after = await target.takeAtRest(REST_MS);
  if (!target.isAlive()) wrong.push('the process has ended');
  return {
    promise: 'no connections keep others from being answered, or leave anything',
    figures: {
      slow: slow.opened,
      'taken of endless chunks (KB)': Math.round((taken ?? 0) / 1_024),
      fragments: sizes.fragments,
      'pings sent (MB)': floods
        .map(({ bytes, isCut }) => `${Math.round(bytes / 1_048_576)}${isCut ? ' and cut' : ''}`)
        .join(' and '),
      'sockets by one': `${byOne} of ${sizes.sockets}`,
      'by many': `${byMany} of ${sizes.sockets}`,
      'connected and killed': sizes.cycles,
      "bystander's queries": queries,
      'worst (ms)': Math.round(worstMs),
      ...inventoryFigures([before, after]),
    },
    wrong: [...wrong, ...inventoryProblems(before, after)],
  };
}

async function newKeys({ url, admin }: Target, count: number): Promise<Headers[]> {
  const query = 'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }';
  const make = async () => {
    const made = await graphql({ url, headers: admin }, query, { input: { name: 'hostile', scopes: ['READ'] } });
    return { 'x-api-key': made.createApiKey.secret };
  };
  return Promise.all(Array.from({ length: count }, make));
}
