import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lexer } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { TrustedDocuments } from '../../src/operations/trusted-documents.ts';
import { codesOf, type Operation, type OperationAnswer, transports } from '../support/graphql-transports.ts';
import { claimsWith, signWithSecret } from '../support/identity-provider.ts';
import { initMessage, openRawSocket } from '../support/raw-socket.ts';
import { rest } from '../support/rest-client.ts';
import { jwtSecret, startServer, type TestServer } from '../support/server.ts';
import { readFrames } from '../support/streams.ts';

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

const who = 'query Who {\n  viewer { kind }\n}\n';
const whoElse = 'query WhoElse { viewer { kind __typename } }';
const tail = 'subscription Tail($userId: UUID!) { syncEvents(userId: $userId, replayLast: 1) { events { sequence } } }';
/** Each of them stands in another form of list: of Apollo, of Relay and GraphQL Code Generator, and as a file. */
const lists = {
  'apollo.json': JSON.stringify({
    format: 'apollo-persisted-query-manifest',
    version: 1,
    operations: [{ id: 'apollo-1', name: 'WhoElse', type: 'query', body: whoElse }],
  }),
  'relay.json': JSON.stringify({ 'relay-1': tail }),
  'pages/who.graphql': who,
};

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'documents-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

let folder: string;
let server: TestServer;
let userId: string;
beforeAll(async () => {
  folder = await folderOf(lists);
  // Who plants what tests need has a key; so a list that binds all has a server of its own below.
  server = await startServer({ settings: { TRUSTED_DOCUMENTS: folder, TRUSTED_DOCUMENTS_FOR: 'users' } });
  userId = await server.user();
  await server.record({ userId });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** What names a document, in each protocol: what a client sends in the place of its text. */
const names = {
  'the SHA-256 that Apollo sends': { extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(whoElse) } } },
  'an id of its list that Apollo sends': { extensions: { persistedQuery: { version: 1, sha256Hash: 'apollo-1' } } },
  'documentId, of GraphQL over HTTP': { documentId: `sha256:${hashOf(whoElse)}` },
  "Relay's doc_id": { doc_id: 'apollo-1' },
  "Relay's id": { id: 'apollo-1' },
} as const;
const answered = { data: { viewer: { kind: 'USER', __typename: 'Viewer' } } };

/** Sends what may have no text at all. */
const ways: Readonly<Record<string, (parameters: object, headers: object) => Promise<unknown>>> = {
  async POST(body, headers) {
    return (
      await rest(`${server.url}/graphql`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body,
      })
    ).body;
  },
  async GET(parameters, headers) {
    const inUrl = Object.entries(parameters).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    return (await rest(`${server.url}/graphql?${new URLSearchParams(inUrl)}`, { headers: { ...headers } })).body;
  },
  async SSE(parameters, headers) {
    const inUrl = Object.entries(parameters).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    const response = await fetch(`${server.url}/graphql?${new URLSearchParams(inUrl)}`, {
      headers: { ...headers, accept: 'text/event-stream' },
    });
    for await (const { event, data } of readFrames(response.body as ReadableStream<Uint8Array>))
      if (event === 'next') return JSON.parse(data);
    return undefined;
  },
  async WebSocket(payload, headers) {
    const socket = await openRawSocket(server.url);
    onTestFinished(() => socket.close());
    socket.send(initMessage(headers));
    await socket.next();
    socket.send({ type: 'subscribe', id: '1', payload });
    const { payload: answer, type } = (await socket.next()) as { type: string; payload: unknown };
    return type === 'error' ? { errors: answer } : answer;
  },
};

/** Every way to send a text. */
const asks = Object.entries(transports);
const ask = (way: (url: string, operation: Operation) => Promise<OperationAnswer>, query: string, headers: object) =>
  way(server.url, { query, headers: { ...headers } });

describe('a document of the list', () => {
  test.each(
    Object.entries(names).flatMap(([name, given]) => Object.keys(ways).map((way) => [name, way, given] as const)),
  )('is run by its name: %s, by %s', async (_, way, given) => {
    expect(await ways[way]?.(given, await server.userToken(userId))).toMatchObject(answered);
  });

  test.each(asks)('is run by its text, however that is laid out: %s', async (_, way) => {
    const user = await server.userToken(userId);
    for (const text of [who, who.replace(/\s+/g, ' '), `# by hand\n${who.replaceAll('{', '{\n,')}`])
      expect(await ask(way, text, user)).toMatchObject({ data: { viewer: { kind: 'USER' } } });
  });

  test('is followed by its name, with variables', async () => {
    const given = { doc_id: 'relay-1', variables: { userId } };
    for (const way of ['SSE', 'WebSocket'])
      expect(await ways[way]?.(given, await server.userToken(userId))).toMatchObject({
        data: { syncEvents: { events: [{ sequence: 1 }] } },
      });
  });
});

describe('a document that is not in the list', () => {
  const text = 'query Other { viewer { scopes } }';

  test.each(asks)('is refused with what to do about it: %s', async (_, way) => {
    for (const headers of [await server.userToken(userId), {}]) {
      if (way === transports.websocket && !('authorization' in headers)) continue; // nobody opens one
      const answer = await ask(way, text, headers);
      expect(codesOf(answer)).toEqual(['PERSISTED_QUERY_NOT_IN_LIST']);
      expect(answer.errors?.[0]?.message).toContain(hashOf(text));
      expect(answer.errors?.[0]?.message).not.toContain('TRUSTED_DOCUMENTS_FOR');
      expect(answer.data).toBeUndefined();
    }
  });

  test.each(asks)('is refused though it is no GraphQL, or names another operation: %s', async (_, way) => {
    const user = await server.userToken(userId);
    for (const query of ['{', `${who} ${whoElse}`, '{ __schema { types { name } } }'])
      expect(codesOf(await ask(way, query, user))).toEqual(['PERSISTED_QUERY_NOT_IN_LIST']);
  });

  test.each(Object.keys(ways))('is not found by a name, which Apollo knows by its message: %s', async (way) => {
    const more = (name: string) => expect.stringMatching(`no trusted document has this ${name}\\. To list it,`);
    for (const { message, ...given } of [
      { message: 'PersistedQueryNotFound', extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } },
      { message: more('documentId'), documentId: 'nobody' },
      { message: more('doc_id'), doc_id: '__proto__' },
      { message: more('id'), id: 'nobody' },
    ])
      expect(await ways[way]?.(given, await server.userToken(userId))).toMatchObject({
        errors: [{ message, extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }],
      });
  });

  test('is read no further than a document may be long', async () => {
    const trusted = new TrustedDocuments([{ id: 'x', text: '{ a }', file: 'a.graphql' }], 'all', { documentTokens: 5 });
    const anybody = { kind: 'anonymous' } as const;
    // What stands behind the next token is none, which whoever reads it would say.
    const refuse = (query: string) => expect(() => trusted.check(query, anybody)).toThrow('listed documents only');
    expect(() => trusted.check(`${' '.repeat(9)}{ a }`, anybody)).not.toThrow();
    const advance = vi.spyOn(Lexer.prototype, 'advance');
    onTestFinished(() => advance.mockRestore());
    refuse(`{ a b c d ${'e '.repeat(10_000)}}`);
    expect(advance).toHaveBeenCalledTimes(6);
  });

  test('is refused beside the name of one that is', async () => {
    const answer = await transports.post(server.url, {
      ...names['the SHA-256 that Apollo sends'],
      query: text,
      headers: { ...(await server.userToken(userId)) },
    } as Operation);
    expect(codesOf(answer)).toEqual(['PERSISTED_QUERY_NOT_IN_LIST']);
  });

  test('is run for API keys and developers where the list binds users alone, and REST goes on', async () => {
    const developer = await signWithSecret(jwtSecret, claimsWith({ scope: 'read admin' }));
    for (const headers of [server.admin, { authorization: `Bearer ${developer}` }])
      expect((await server.graphql(text, {}, headers)).data.viewer.scopes).toContain('ADMIN');
    const user = await server.userToken(userId);
    const { body } = await rest(`${server.url}/api/v1/users/${userId}/sync/recent`, { headers: { ...user } });
    expect(body).toHaveLength(1);
  });

  test('is refused to every key where the list binds all, as it does unless told otherwise, with the setting that frees keys', async () => {
    const bound = await startServer({ settings: { TRUSTED_DOCUMENTS: join(folder, 'apollo.json') } });
    onTestFinished(() => bound.close());
    const erase = `mutation { deleteUser(id: "${userId}") { deletedUserId } }`;
    const developer = await signWithSecret(jwtSecret, claimsWith({ scope: 'read admin' }));
    for (const headers of [bound.admin, { authorization: `Bearer ${developer}` }])
      expect((await bound.graphql(erase, {}, headers)).errors).toMatchObject([
        {
          message: expect.stringMatching(
            /\(TRUSTED_DOCUMENTS\)\. With TRUSTED_DOCUMENTS_FOR=users, API keys and developers/,
          ),
          extensions: { code: 'PERSISTED_QUERY_NOT_IN_LIST' },
        },
      ]);
    const strangers = await rest(`${bound.url}/graphql`, { method: 'POST', body: { query: erase } });
    expect(strangers.body).toMatchObject({
      errors: [{ message: expect.not.stringContaining('TRUSTED_DOCUMENTS_FOR') }],
    });
    expect((await bound.graphql(whoElse)).data).toMatchObject({ viewer: { kind: 'SERVICE' } });
  });
});

describe('a list that cannot be taken keeps the server from starting, and says why:', () => {
  test.each([
    ['a folder without a document', {}, 'holds no document'],
    ['a file that is no JSON', { 'a.json': '{' }, /a\.json cannot be taken: .*JSON/],
    ['JSON of another shape', { 'a.json': '[]' }, 'object of texts by id, or a manifest'],
    [
      'a manifest of another version',
      { 'a.json': '{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}' },
      'version 1',
    ],
    ['a text that is no GraphQL', { 'a.json': '{"x":"query { %"}' }, /x: Syntax Error/],
    ['two texts of one id', { 'a.json': '{"x":"{ a }"}', 'b.json': '{"x":"{ b }"}' }, /b\.json has another text for x/],
  ])('%s', async (_, files, reason) => {
    const bad = await folderOf(files);
    onTestFinished(() => rm(bad, { recursive: true }));
    await expect(startServer({ settings: { TRUSTED_DOCUMENTS: bad } })).rejects.toThrow(reason);
  });

  test('a path where nothing is', async () => {
    await expect(startServer({ settings: { TRUSTED_DOCUMENTS: '/nowhere.json' } })).rejects.toThrow('ENOENT');
  });

  test('more than a server keeps', async () => {
    const bad = await folderOf({
      'a.json': JSON.stringify(
        Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`q${n}`, `{ a${n}: viewer { kind } }`])),
      ),
    });
    onTestFinished(() => rm(bad, { recursive: true }));
    await expect(startServer({ settings: { TRUSTED_DOCUMENTS: bad } })).rejects.toThrow('more than 10000 documents');
  });
});
