import { expect, onTestFinished, test } from 'vitest';
import type { ReferenceEvent } from '../support/reference-log.ts';
import { startServer } from '../support/server.ts';

test('the head and the events of one answer fit together while others record', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const userId = await server.user();
  // Like every recording below it ends with an event of Oura, so that the first answer may come before all of them.
  await server.record({ userId }, { userId, provider: 'garmin' }, { userId });
  let recording = true;
  const record = async () => {
    while (recording) await server.record({ userId }, { userId, provider: 'garmin', runId: 'run_2' }, { userId });
  };
  const recorders = [record(), record(), record()];
  const query = `query ($id: UUID!) {
    a: user(id: $id) {
      headCursor
      recentSyncEvents(limit: 200) { sequence }
      syncEvents(last: 7) { edges { cursor } pageInfo { hasNextPage } }
      ofOura: recentSyncEvents(limit: 3, filter: { providers: ["oura"] }) { sequence }
      syncRuns { edges { node { user { headCursor } events(last: 200) { edges { cursor } } } } }
    }
    b: user(id: $id) { headCursor newest: recentSyncEvents(limit: 1) { sequence user { headCursor } } }
  }`;
  const heads = new Set<number>();
  try {
    for (let count = 0; count < 40; count++) {
      const { data, errors } = await server.graphql(query, { id: userId });
      expect(errors).toEqual([]);
      const head = Number(data.a.headCursor);
      heads.add(head);
      const upToHead = (length: number) => Array.from({ length: Math.min(length, head) }, (_, n) => head - n);
      expect(data.a.recentSyncEvents.map((event: ReferenceEvent) => event.sequence)).toEqual(upToHead(200));
      expect(data.a.syncEvents.edges.map((edge: { cursor: string }) => Number(edge.cursor)).reverse()).toEqual(
        upToHead(7),
      );
      expect(data.a.syncEvents.pageInfo.hasNextPage).toBe(false);
      expect(data.a.ofOura[0].sequence).toBe(head);
      expect(data.b).toEqual({
        headCursor: String(head),
        newest: [{ sequence: head, user: { headCursor: String(head) } }],
      });
      for (const { node } of data.a.syncRuns.edges) {
        expect(node.user.headCursor).toBe(String(head));
        for (const { cursor } of node.events.edges) expect(Number(cursor)).toBeLessThanOrEqual(head);
      }
    }
  } finally {
    recording = false;
    await Promise.all(recorders);
  }
  expect(heads.size).toBeGreaterThan(1);
});
