import { afterEach, beforeEach, expect } from 'vitest';
import type { TestServer } from './server.ts';

/**
 * Expects of each test of the file that its database holds as much afterwards as before, and that the server serves on.
 * @returns what a test whose changes are wanted calls at its end.
 */
export function expectNoChange(server: () => TestServer): () => Promise<void> {
  let stored: readonly number[];
  const count = async () => {
    const { user, syncEvent, syncRun, apiKey } = server().app.services.database.reader;
    return [await user.count(), await syncEvent.count(), await syncRun.count(), await apiKey.count()];
  };
  const accept = async () => {
    stored = await count();
  };
  beforeEach(accept);
  afterEach(async () => {
    expect(await count()).toEqual(stored);
    const { status, data } = await server().graphql('{ viewer { kind } }');
    expect({ status, data }).toEqual({ status: 200, data: { viewer: { kind: 'SERVICE' } } });
  });
  return accept;
}
