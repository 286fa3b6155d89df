import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { shareUnchangedServer } from '../support/no-change.ts';
import { refusals, tryRecord } from '../support/recording.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let userId: string;
shareUnchangedServer((shared, id) => {
  server = shared;
  userId = id;
});

const record = (special: object) => tryRecord(server, [{ userId, ...special }]);

describe('what is not there', () => {
  test('is null or empty for a reader, and NOT_FOUND for who wants to change it', async () => {
    const stranger = randomUUID();
    const { data, errors } = await server.graphql(
      `query ($id: UUID!) {
        user(id: $id) { id }
        syncRuns(filter: { userId: $id }) { edges { cursor } }
        users(search: "nobody at all") { edges { cursor } }
      }`,
      { id: stranger },
    );
    expect(errors).toEqual([]);
    expect(data).toEqual({ user: null, syncRuns: { edges: [] }, users: { edges: [] } });
    for (const mutation of [
      'mutation ($id: UUID!) { createUserToken(userId: $id) { token } }',
      'mutation ($id: UUID!) { deleteUser(id: $id) { deletedUserId } }',
    ])
      expect(refusals(await server.graphql(mutation, { id: stranger }))).toEqual(['NOT_FOUND']);
    expect(refusals(await server.graphql('mutation { revokeApiKey(id: "nothing") { id } }'))).toEqual(['NOT_FOUND']);
    expect(refusals(await record({ userId: stranger }))).toEqual(['NOT_FOUND']);
  });

  test('is not found by a text with a NUL or half a surrogate pair in it, either', async () => {
    for (const text of ['run_1\0', 'run_1\0x', '\0', 'run_1\ud83c', '\udfc3']) {
      const { data, errors } = await server.graphql(
        `query ($id: UUID!, $run: ID!, $text: String!) {
          user(id: $id) {
            syncRun(runId: $run) { runId }
            ofRun: recentSyncEvents(filter: { runId: $run }) { id }
            ofProvider: recentSyncEvents(filter: { providers: [$text] }) { id }
            syncRuns(filter: { providers: [$text] }) { edges { cursor } }
          }
        }`,
        { id: userId, run: text, text },
      );
      expect(errors).toEqual([]);
      expect(data.user).toEqual({ syncRun: null, ofRun: [], ofProvider: [], syncRuns: { edges: [] } });
    }
  });

  test('is not searched for with such a text, nor with one of more than 100 characters', async () => {
    const search = (text: string) =>
      server.graphql('query ($text: String) { users(search: $text) { edges { cursor } } }', { text });
    for (const text of ['\0', 'a\0b', '\ud83c', 'x'.repeat(101)])
      expect(refusals(await search(text))).toEqual(['BAD_USER_INPUT']);
    expect((await search('x'.repeat(100))).data.users.edges).toEqual([]);
  });
});

describe('a search takes no character for a wildcard', () => {
  test('neither % nor _ nor \\', async () => {
    const { data } = await server.graphql(
      '{ p: users(search: "%") { edges { cursor } } u: users(search: "_") { edges { cursor } } }',
    );
    expect(data).toEqual({ p: { edges: [] }, u: { edges: [] } });
    const other = await startServer();
    onTestFinished(() => other.close());
    for (const email of ['a%b', 'a_b', 'a\\b', 'axb']) await other.user({ email });
    for (const text of ['%', '_', '\\', 'A_B', 'a%b', 'x']) {
      const { data } = await other.graphql(
        'query ($text: String) { users(search: $text) { edges { node { email } } } }',
        { text },
      );
      const found = data.users.edges.map(({ node }: { node: { email: string } }) => node.email);
      expect(found).toEqual(['a%b', 'a_b', 'a\\b', 'axb'].filter((email) => email.includes(text.toLowerCase())));
    }
  });
});
