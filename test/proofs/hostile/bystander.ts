import { setTimeout as wait } from 'node:timers/promises';
import { send } from './send.ts';
import type { Target } from './target.ts';

/** Pause between two of its queries, in milliseconds. */
const PAUSE_MS = 50;

/** Another client, which asks for little all the while. */
export interface Bystander {
  /** What its queries took at most, in milliseconds, how many there were, and which of them failed. */
  leave(): Promise<{ readonly worstMs: number; readonly queries: number; readonly failures: readonly string[] }>;
}

export function startBystander({ url, admin }: Target, patienceMs: number): Bystander {
  const failures: string[] = [];
  let [worstMs, queries, isThere] = [0, 0, true];
  const query = {
    ...({ kind: 'bystander', door: 'POST', form: 'http', method: 'POST', path: '/graphql' } as const),
    headers: { 'content-type': 'application/json', ...admin },
    body: '{"query":"{ viewer { __typename } }"}',
  };
  const asking = (async () => {
    while (isThere) {
      const { ms, status, hung } = await send(url, query, patienceMs);
      worstMs = Math.max(worstMs, ms);
      queries += 1;
      if (status !== 200) failures.push(hung ? `nothing within ${patienceMs} ms` : `answered with ${status}`);
      await wait(PAUSE_MS);
    }
  })();
  return {
    async leave() {
      isThere = false;
      await asking;
      return { worstMs, queries, failures };
    },
  };
}
