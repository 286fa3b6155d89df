import { randomUUID } from 'node:crypto';
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  getNamedType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { getDatamodel } from '../../src/db/rows.ts';
import { buildSchema } from '../../src/schema.ts';
import { BASE_PATH, routes } from '../../src/transports/rest/routes.ts';
import { secondsFromNow, signWithSecret } from '../support/identity-provider.ts';
import { type PlantedUser, plantUser } from '../support/planted-user.ts';
import { rest } from '../support/rest-client.ts';
import { type Headers, jwtSecret, startServer, type TestServer } from '../support/server.ts';
import { streamTransports } from '../support/streams.ts';

/**
 * A token for one user, of either kind, and a key that may read nobody, with what belongs to another: each field, argument and route of the schema, found by walking it. In
 * every text of the other user there is a word, which no answer may hold; and what exists for the other user is answered as
 * what exists for nobody.
 */

const schema = buildSchema();
const foreignWord = 'xylophone';
const nobody: PlantedUser = {
  id: randomUUID(),
  runId: 'xylophonf-run',
  eventId: randomUUID(),
  provider: 'xylophonf-provider',
};

let server: TestServer;
let own: PlantedUser;
let foreign: PlantedUser;
/** Whoever may see no other user: with a token for the own one, with a token of its SDK, with a key that reads nothing. */
let tokens: readonly Headers[];
let blind: Headers;
/** Cursors of the foreign user's lists, by the type of list, and such as nobody's lists have. */
const cursors: { foreign: string; nobodys: string }[] = [];

beforeAll(async () => {
  server = await startServer();
  foreign = await plantUser(server, foreignWord);
  own = await plantUser(server, 'marimba', foreign.id);
  const token = await server.userToken(own.id);
  const ofSdk = await signWithSecret(jwtSecret, { sub: own.id, scope: 'sdk', exp: secondsFromNow(3_600) });
  blind = await server.key('metrics');
  tokens = [token, { authorization: `Bearer ${ofSdk}` }, blind];
  const { data } = await server.graphql(
    `{ user(id: "${foreign.id}") { syncRuns { edges { cursor } } syncHistory { edges { cursor } } }
       users { edges { cursor node { id } } } connections { edges { cursor node { user { id } } } } }`,
  );
  const found: string[] = [
    data.user.syncRuns.edges[0].cursor,
    data.user.syncHistory.edges[0].cursor,
    data.users.edges.find(({ node }: { node: { id: string } }) => node.id === foreign.id).cursor,
    data.connections.edges.find(({ node }: { node: { user: { id: string } } }) => node.user.id === foreign.id).cursor,
  ];
  for (const each of found) cursors.push({ foreign: each, nobodys: cursorOfNobody(each) });
});
afterAll(() => server.close());

/** The same place in a list, of a user who does not exist. */
function cursorOfNobody(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  return Buffer.from(text.replaceAll(foreign.id, nobody.id).replaceAll(foreignWord, 'xylophonf')).toString('base64url');
}

/** A value for an argument or an input field: something of the other user, and the same of nobody. */
interface Probe {
  readonly foreign: string;
  readonly nobodys: string;
}

const quoted = (one: string, other: string): Probe => ({
  foreign: JSON.stringify(one),
  nobodys: JSON.stringify(other),
});
const alike = (text: string): Probe => ({ foreign: text, nobodys: text });

/** What arguments and input fields of these names are asked with. Every other one must be of a kind that names nothing. */
const probes: Readonly<Record<string, () => readonly Probe[]>> = {
  id: () => [quoted(foreign.id, nobody.id), quoted(foreign.eventId, nobody.eventId)],
  userId: () => [quoted(foreign.id, nobody.id)],
  target: () => [quoted(foreign.id, nobody.id)],
  primaryUserId: () => [quoted(foreign.id, nobody.id)],
  runId: () => [quoted(foreign.runId, nobody.runId)],
  connectionId: () => [quoted(`${foreignWord}-connection`, 'xylophonf-connection')],
  externalUserId: () => [quoted(`${foreignWord}-external`, 'xylophonf-external')],
  search: () => [quoted(foreignWord, 'xylophonf'), quoted(foreign.runId, nobody.runId)],
  provider: () => [quoted(foreign.provider, nobody.provider)],
  providers: () => [quoted(foreign.provider, nobody.provider)],
  after: () => [...cursors.map((each) => quoted(each.foreign, each.nobodys)), alike('"0"')],
  before: () => cursors.map((each) => quoted(each.foreign, each.nobodys)),
};
const namesNothing = new Set(['DateTime', 'Int', 'Float', 'Boolean', 'DateTimeRangeInput', 'JSONObject']);
const namesNothingByName = new Set([
  // Of inputs of mutations, which a user token may not call: a text that is written, not looked for.
  ...[
    'name',
    'email',
    'firstName',
    'lastName',
    'word',
    'message',
    'error',
    'errorCode',
    'nativeType',
    'dataType',
    'text',
  ],
]);

/** Values for an argument or an input field. @throws for one of which nobody has decided what it could name */
function valuesFor({ name, type }: { readonly name: string; readonly type: GraphQLInputType }): readonly Probe[] {
  const named = getNamedType(type);
  if (isInputObjectType(named)) {
    const fields = Object.values(named.getFields());
    const required = fields.filter((field) => isNonNullType(field.type));
    const write = (special: string | undefined, value: Probe): Probe => {
      const others = required
        .filter((field) => field.name !== special)
        .map((field) => [field.name, valuesFor(field)[0]] as const);
      const side = (which: keyof Probe) =>
        `{ ${[...others, ...(special ? [[special, value] as const] : [])].map(([key, each]) => `${key}: ${each?.[which]}`).join(', ')} }`;
      return { foreign: side('foreign'), nobodys: side('nobodys') };
    };
    const all = fields.flatMap((field) => valuesFor(field).map((value) => write(field.name, value)));
    return all.map((each) => (isListOf(type) ? { foreign: `[${each.foreign}]`, nobodys: `[${each.nobodys}]` } : each));
  }
  const known = probes[name]?.();
  const inList = (text: string) => (isListOf(type) ? `[${text}]` : text);
  if (known) return known.map((each) => ({ foreign: inList(each.foreign), nobodys: inList(each.nobodys) }));
  if (isEnumType(named)) return [alike(inList(named.getValues()[0]?.name ?? ''))];
  if (namesNothing.has(named.name)) return isNonNullType(type) ? [alike(plainValue(named.name))] : [];
  if (namesNothingByName.has(name)) return [alike(inList('"a text"'))];
  throw new Error(`Nobody has decided what ${name}: ${String(type)} could name of another user`);
}

const isListOf = (type: GraphQLInputType): boolean => isListType(isNonNullType(type) ? type.ofType : type);
const plainValue = (type: string) =>
  type === 'DateTime' ? '"2026-01-01T00:00:00Z"' : type === 'Boolean' ? 'true' : '1';

type AnyField = GraphQLField<unknown, unknown>;

/** Arguments without which a field cannot be asked for, and few items. */
function usualArguments({ args }: AnyField, special: string | undefined, ownValues: boolean): string[] {
  return args.flatMap((arg) => {
    if (arg.name === special) return [];
    if (arg.name === 'first' || arg.name === 'limit') return [`${arg.name}: 3`];
    if (!isNonNullType(arg.type) || arg.defaultValue !== undefined) return [];
    if (ownValues && arg.name === 'id') return [`id: "${own.id}"`];
    if (ownValues && arg.name === 'userId') return [`userId: "${own.id}"`];
    if (ownValues && arg.name === 'runId') return [`runId: "${own.runId}"`];
    return [`${arg.name}: ${valuesFor(arg)[0]?.nobodys}`];
  });
}

/** All fields of a type that have no selection and need no argument. */
function leavesOf(type: GraphQLObjectType): string {
  const leaves = Object.values(type.getFields()).filter(
    (field) => !isCompositeType(getNamedType(field.type)) && !field.args.some((arg) => isNonNullType(arg.type)),
  );
  return leaves.map(({ name }) => name).join(' ');
}

/** A field with everything plain that is in it, and the pages and edges around that. */
function written(field: AnyField, args: readonly string[], inner: string): string {
  const head = `${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}`;
  const type = getNamedType(field.type);
  return isObjectType(type) ? `${head} { ${leavesOf(type)} __typename ${inner} }` : head;
}

interface Step {
  readonly field: AnyField;
  readonly type: GraphQLObjectType | undefined;
}

/** How deep fields may be nested, beside what a path adds. */
const DEPTH = 10;

/** The shortest way from a root to each field of the schema. */
function pathsFrom(root: GraphQLObjectType): readonly (readonly Step[])[] {
  const paths: Step[][] = [];
  const seen = new Set<string>();
  let front: { readonly type: GraphQLObjectType; readonly path: Step[] }[] = [{ type: root, path: [] }];
  while (front.length > 0) {
    const next: typeof front = [];
    for (const { type, path } of front)
      for (const field of Object.values(type.getFields())) {
        const named = getNamedType(field.type);
        const inner = isObjectType(named) ? named : undefined;
        // Each field of a type once, and each root with all that is reached from it.
        const key = `${path[0]?.field.name ?? field.name} ${type.name}.${field.name}`;
        if (seen.has(key) || path.length >= DEPTH || (!inner && field.args.length === 0)) continue;
        seen.add(key);
        const longer = [...path, { field, type: inner }];
        paths.push(longer);
        if (inner) next.push({ type: inner, path: longer });
      }
    front = next;
  }
  return paths;
}

/** An operation that ends with one field, asked for with one argument. @param last that argument, and whose the rest is */
function operationFor(
  path: readonly Step[],
  last: { readonly name: string; readonly value: string } | undefined,
): string {
  return path.reduceRight((inner, { field }, index) => {
    const isLast = index === path.length - 1;
    const special = isLast && last ? [`${last.name}: ${last.value}`] : [];
    return written(field, [...usualArguments(field, isLast ? last?.name : undefined, true), ...special], inner);
  }, '');
}

interface Asked {
  readonly name: string;
  readonly foreign: string;
  readonly nobodys: string;
}

function questionsAbout(root: GraphQLObjectType): Asked[] {
  return pathsFrom(root).flatMap((path) => {
    const name = path.map(({ field }) => field.name).join('.');
    const field = path.at(-1)?.field;
    const plain = operationFor(path, undefined);
    const withArguments = (field?.args ?? ([] as readonly GraphQLArgument[])).flatMap((arg) =>
      valuesFor(arg).map((value, index) => ({
        name: `${name}(${arg.name}) ${index}`,
        foreign: operationFor(path, { name: arg.name, value: value.foreign }),
        nobodys: operationFor(path, { name: arg.name, value: value.nobodys }),
      })),
    );
    return [{ name, foreign: plain, nobodys: plain }, ...withArguments];
  });
}

/** An answer without what tells the two questions apart: the ids that were asked for. */
function comparable(answer: unknown): unknown {
  const pairs = [
    [foreign.id, nobody.id],
    [foreign.eventId, nobody.eventId],
    [foreign.runId, nobody.runId],
    [foreign.provider, nobody.provider],
    ...cursors.map((each) => [each.foreign, each.nobodys] as const),
    [foreignWord, 'xylophonf'],
  ] as const;
  const text = pairs.reduce((sum, [one, other]) => sum.replaceAll(one, other), JSON.stringify(answer));
  return JSON.parse(text);
}

/** What of the other user an answer holds that its question has not named. */
function leaked(answer: unknown, question: string): string[] {
  const text = JSON.stringify(answer).replaceAll(`\\"${question}\\"`, '');
  return [foreignWord, foreign.id, foreign.eventId].filter((each) => text.includes(each) && !question.includes(each));
}

test('the other user has the word in every text that is stored', async () => {
  const { reader } = server.app.services.database;
  const given: Record<string, readonly object[]> = {
    User: await reader.user.findMany({ where: { id: foreign.id } }),
    SyncEvent: await reader.syncEvent.findMany({ where: { userId: foreign.id } }),
    SyncRun: await reader.syncRun.findMany({ where: { userId: foreign.id } }),
    SyncRunBatch: await reader.syncRunBatch.findMany({ where: { userId: foreign.id } }),
    SyncRunDataType: await reader.syncRunDataType.findMany({ where: { userId: foreign.id } }),
    ProviderDataType: await reader.providerDataType.findMany({ where: { userId: foreign.id } }),
    ProviderLink: await reader.providerLink.findMany({ where: { userId: foreign.id } }),
  };
  // Ids of users, words that are compared, and what Synclog computes.
  const withoutWord = new Set(
    'id userId source stage status scope primaryUserId newestPrimaryUserId milestoneStatus kind state reasonClass health runsAhead underWay rhythm backfill foldedFrom'.split(
      ' ',
    ),
  );
  // The types of Pothos know no fields of the models.
  const { models } = getDatamodel().datamodel as unknown as {
    models: Record<string, { fields: { name: string; type: string; kind: string }[] }>;
  };
  const owned = Object.entries(models)
    .map(([name, { fields }]) => ({ name, fields }))
    .filter(({ name, fields }) => name === 'User' || fields.some((field) => field.name === 'userId'));
  expect(Object.keys(given).sort()).toEqual(owned.map(({ name }) => name).sort());
  for (const { name, fields } of owned) {
    const rows = given[name] ?? [];
    expect([name, rows.length > 0]).toEqual([name, true]);
    for (const field of fields.filter(({ type }) => type === 'String' || type === 'Json')) {
      if (withoutWord.has(field.name)) continue;
      const texts = rows.map((row) => JSON.stringify((row as Record<string, unknown>)[field.name]));
      expect([name, field.name, texts.some((text) => text?.includes(foreignWord))]).toEqual([name, field.name, true]);
    }
  }
});

describe('a token for one user', () => {
  test('is shown nothing of another by any query', { timeout: 240_000 }, async () => {
    const type = schema.getQueryType();
    const questions = type ? questionsAbout(type) : [];
    expect(questions.length).toBeGreaterThan(100);
    const answered = new Map<Headers, number>();
    for (const { name, foreign: asked, nobodys } of questions)
      for (const headers of tokens) {
        const [one, other] = [
          await server.graphql(`{ ${asked} }`, {}, headers),
          await server.graphql(`{ ${nobodys} }`, {}, headers),
        ];
        const said = ({ status, data, errors }: typeof one) => ({ status, data, errors });
        const invalid = one.errors.filter(({ extensions }) =>
          ['GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED', 'INTERNAL_SERVER_ERROR'].includes(
            String(extensions.code),
          ),
        );
        expect([name, invalid]).toEqual([name, []]);
        expect([name, leaked(said(one), asked)]).toEqual([name, []]);
        expect([name, comparable(said(one))]).toEqual([name, comparable(said(other))]);
        if (one.data) answered.set(headers, (answered.get(headers) ?? 0) + 1);
      }
    for (const headers of tokens)
      if (headers !== blind) expect(answered.get(headers)).toBeGreaterThan(questions.length / 3);
  });

  test('changes nothing, and hears the same of what exists and what does not', { timeout: 60_000 }, async () => {
    const type = schema.getMutationType();
    const fields = Object.values(type?.getFields() ?? {});
    expect(fields.length).toBeGreaterThan(5);
    for (const field of fields) {
      const arg = field.args.find(({ type: given }) => isNonNullType(given));
      const values = arg ? valuesFor(arg) : [alike('')];
      for (const [value, headers] of values.flatMap((value) => tokens.map((token) => [value, token] as const))) {
        const ask = (side: keyof Probe) => {
          const args = [...usualArguments(field, arg?.name, false), ...(arg ? [`${arg.name}: ${value[side]}`] : [])];
          return server.graphql(`mutation { ${written(field, args, '')} }`, {}, headers);
        };
        const [one, other] = [await ask('foreign'), await ask('nobodys')];
        expect([field.name, one.errors.map(({ extensions }) => extensions.code)]).toEqual([field.name, ['FORBIDDEN']]);
        expect([field.name, comparable(one.errors)]).toEqual([field.name, comparable(other.errors)]);
      }
    }
  });

  test.each(Object.entries(streamTransports))(
    'is shown nothing of another by any subscription over %s',
    async (_name, open) => {
      const type = schema.getSubscriptionType();
      for (const field of Object.values(type?.getFields() ?? {})) {
        const probed = field.args.flatMap((arg) => valuesFor(arg).map((value) => ({ arg, value })));
        const first = async (query: string, headers: Headers) => {
          const stream = await open(server.url, { query, headers });
          onTestFinished(() => stream.close());
          return stream;
        };
        const ofUsers = probed.filter(({ arg: { name } }) => name === 'userId');
        for (const [{ arg, value }, headers] of ofUsers.flatMap((each) =>
          tokens.map((token) => [each, token] as const),
        )) {
          const ask = async (side: keyof Probe) => {
            const query = `subscription { ${written(field, [`${arg.name}: ${value[side]}`], '')} }`;
            const { data, errors } = (await (await first(query, headers)).next()) ?? {};
            return { data, errors: errors?.map(({ message, extensions }) => ({ message, extensions })) };
          };
          const [one, other] = [await ask('foreign'), await ask('nobodys')];
          expect([field.name, comparable(one)]).toEqual([field.name, comparable(other)]);
          expect(one.errors?.[0]?.extensions.code).toBe(headers === blind ? 'FORBIDDEN' : 'NOT_FOUND');
        }
      }
    },
  );

  test.each([
    ['of its own', 0],
    ['of its SDK', 1],
  ])('%s is shown no change of another, of runs or of connections', async (_name, which) => {
    const queries = [
      'syncRunChanges { began run { runId userId } }',
      `syncRunChanges(filter: { userId: "${foreign.id}" }) { began run { runId userId } }`,
      `syncRunChanges(filter: { providers: ["shared"] }) { began run { runId userId } }`,
      'connectionChanges { began connection { provider user { id } } }',
      `connectionChanges(filter: { provider: ["shared"] }) { began connection { provider user { id } } }`,
    ];
    const streams = await Promise.all(
      queries.map((query) =>
        streamTransports.websocket(server.url, { query: `subscription { ${query} }`, headers: tokens[which] ?? {} }),
      ),
    );
    onTestFinished(() => Promise.all(streams.map((each) => each.close())).then(() => {}));
    for (const each of streams) expect((await each.next())?.errors).toBeUndefined();
    const ends = { stage: 'FAILED', status: 'FAILED' };
    await server.record({ userId: foreign.id, runId: `${foreignWord}-late`, provider: 'shared', ...ends });
    await server.record({ userId: own.id, runId: 'marimba-late', provider: 'shared', ...ends });
    const [all, , ofProvider, connections, connectionsOfProvider] = await Promise.all(
      streams.map((each, index) => (index === 1 ? undefined : each.next())),
    );
    for (const each of [all, ofProvider]) expect(each?.data.syncRunChanges.run.userId).toBe(own.id);
    for (const each of [connections, connectionsOfProvider])
      expect(each?.data.connectionChanges.connection.user.id).toBe(own.id);
  });

  test('is shown nothing of another over REST', { timeout: 60_000 }, async () => {
    for (const { method, path, parameters } of routes) {
      const names = Object.keys(parameters(server.app.services.limits));
      const target = ({ id, runId, provider }: PlantedUser, special: string) => {
        const filled = path.replace(':user_id', special === 'own' ? own.id : id).replace(':run_key', runId);
        const values: Record<string, string> = { user_id: id, run_id: runId, provider, search: provider };
        const query = special in values && names.includes(special) ? `?${special}=${values[special]}` : '';
        return `${server.url}${BASE_PATH}${filled}${query}`;
      };
      for (const special of ['', 'user_id', 'run_id', 'provider', 'search']) {
        const ask = async (whose: PlantedUser, headers: Headers) => {
          const { status, text } = await rest(target(whose, special), {
            method,
            headers: { ...headers, 'content-type': 'application/json' },
            ...(method === 'POST' && { body: { run_id: whose.runId } }),
          });
          return { status, text };
        };
        for (const headers of tokens) {
          const [one, other] = [await ask(foreign, headers), await ask(nobody, headers)];
          expect([path, special, leaked(one, target(foreign, special))]).toEqual([path, special, []]);
          expect([path, special, comparable(one)]).toEqual([path, special, comparable(other)]);
          if (path.includes(':user_id')) expect([path, Number(one.status) >= 400]).toEqual([path, true]);
        }
      }
    }
  });
});
