import { isDeepStrictEqual } from 'node:util';
import type { FilledDatabase } from '../data/databases.ts';
import { userId } from '../data/fill.ts';
import type { Shot } from '../measure/load.ts';
import type { MeasuredServer } from '../measure/server-process.ts';
import type { Recorded } from '../peers/write-log.ts';
import { draftsOf, insertShot, recordingShot } from './recordings.ts';

const USERS = 2;
const EVENTS = 40;

/**
 * That both servers number densely, that a repetition changes nothing, and that the runs which they fold look the same to
 * a reader. @throws where they do not
 */
export async function samePromises(
  { apiKey }: FilledDatabase,
  { synclog, peer }: { readonly synclog: MeasuredServer; readonly peer: MeasuredServer },
): Promise<void> {
  const drafts = draftsOf(EVENTS, USERS);
  const again = drafts.map((draft) => ({
    ...draft,
    id: draft.id.replace(/^..../, 'bbbb'),
    runId: `peer_${draft.runId}`,
  }));
  const own = await recordTwice(synclog, recordingShot(drafts, apiKey));
  const theirs = await recordTwice(peer, insertShot(again));
  const next = own.map(({ sequence }) => sequence + EVENTS / USERS);
  if (
    !isDeepStrictEqual(
      theirs.map(({ sequence }) => sequence),
      next,
    )
  )
    throw new Error(`The insert server numbers ${JSON.stringify(theirs)} after ${JSON.stringify(own)}`);
  const runs = await runsOf(synclog, apiKey);
  for (const runId of new Set(drafts.map((draft) => draft.runId)))
    if (runs.get(runId) === undefined || runs.get(runId) !== runs.get(`peer_${runId}`))
      throw new Error(`The insert server folds ${runs.get(`peer_${runId}`)} where Synclog folds ${runs.get(runId)}`);
}

async function recordTwice(server: MeasuredServer, shot: Shot): Promise<readonly Recorded[]> {
  const first = await record(server, shot);
  const second = await record(server, shot);
  const expected = first.map(({ sequence }) => ({ sequence, duplicate: true }));
  if (first.some(({ duplicate }) => duplicate) || !isDeepStrictEqual(second, expected))
    throw new Error(`${server.url} records ${JSON.stringify(first)}, and again ${JSON.stringify(second)}`);
  return first;
}

async function record({ url }: MeasuredServer, { path, method, headers, body }: Shot): Promise<readonly Recorded[]> {
  const response = await fetch(url + path, { method, headers: { ...headers }, ...(body !== undefined && { body }) });
  const text = await response.text();
  if (!response.ok || text.startsWith('{"errors"')) throw new Error(`${url} answers ${response.status}: ${text}`);
  const answer = JSON.parse(text);
  if (Array.isArray(answer)) return answer;
  return answer.data.recordSyncEvents.results.map(({ duplicate, event }: { duplicate: boolean; event: Recorded }) => ({
    sequence: event.sequence,
    duplicate,
  }));
}

/** What each run of the users shows, without what depends on its place in the log. */
async function runsOf({ url }: MeasuredServer, apiKey: string): Promise<ReadonlyMap<string, string>> {
  const fields = 'provider source stage status message progress itemsProcessed itemsTotal eventCount lastEventAt';
  const query = `query ($id: UUID!) { user(id: $id) { syncRuns(first: 50) { edges { node { runId ${fields} } } } } }`;
  const runs = new Map<string, string>();
  for (let user = 1; user <= USERS; user += 1) {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
      body: JSON.stringify({ query, variables: { id: userId(user) } }),
    });
    const { data } = (await response.json()) as RunsAnswer;
    for (const { node } of data.user.syncRuns.edges) {
      const { runId, ...shown } = node;
      runs.set(runId, JSON.stringify(shown));
    }
  }
  return runs;
}

interface RunsAnswer {
  readonly data: { readonly user: { readonly syncRuns: { readonly edges: readonly { node: { runId: string } }[] } } };
}
