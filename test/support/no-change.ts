import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { startServer, type TestServer } from './server.ts';

/**
 * One server for all tests of a file, with a user of two runs. Expects of each test that the database holds as much
 * afterwards as before, and that the server serves on.
 * @param use is given the server and the user's id before the first test.
 * @returns what a test whose changes are wanted calls at its end.
 */
export function shareUnchangedServer(use: (server: TestServer, userId: string) => void): () => Promise<void> {
  let server: TestServer;
  let stored: readonly number[];
  const count = async () => {
    const { user, syncEvent, syncRun, apiKey } = server.app.services.database.reader;
    return [await user.count(), await syncEvent.count(), await syncRun.count(), await apiKey.count()];
  };
  const accept = async () => {
    stored = await count();
  };
  beforeAll(async () => {
    server = await startServer();
    const userId = await server.user();
    await server.record({ userId }, { userId, runId: 'run_2' });
    use(server, userId);
  });
  afterAll(() => server.close());
  beforeEach(accept);
  afterEach(async () => {
    expect(await count()).toEqual(stored);
    const { status, data } = await server.graphql('{ viewer { kind } }');
    expect({ status, data }).toEqual({ status: 200, data: { viewer: { kind: 'SERVICE' } } });
  });
  return accept;
}
