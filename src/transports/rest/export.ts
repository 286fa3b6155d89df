import {
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
} from 'graphql';
import { AppError } from '../../errors.ts';
import type { StreamLife } from '../../graphql/context.ts';
import { pause } from '../../lib/pause.ts';
import { userInPath } from './parameters.ts';
import { defineRoute, type Fails, type RouteTools } from './route.ts';
import type { RunDocument } from './stored-document.ts';
import { Visit } from './visit.ts';

/** Events, or runs, that are read at once: of each, what a page may tell takes some kilobytes. */
const PAGE = 80;

/** Types that are a part of the object that they stand in. All other objects have lines of their own, or are in others. */
const parts: ReadonlySet<string> = new Set(['SyncReason', 'DataTypeSync', 'DateTimeRange', 'BackfillProgress']);

type Line = Readonly<Record<string, unknown>>;

interface Edges {
  readonly edges: readonly { readonly cursor: string; readonly node: Line }[];
}

interface UserAlone {
  readonly user: (Line & { readonly head_cursor: string }) | null;
}
interface Connections {
  readonly user: { readonly connections: readonly Line[] } | null;
}
interface Runs {
  readonly user: { readonly syncRuns: Edges & { readonly pageInfo: { readonly hasPreviousPage: boolean } } } | null;
}
interface Events {
  readonly user: { readonly head_cursor: string; readonly syncEvents: Edges } | null;
}

/** How many lines of each kind an export has. */
interface Counts {
  users: number;
  connections: number;
  runs: number;
  events: number;
}

/** Everything that is kept of a user, as lines of JSON. */
export const userExport = defineRoute({
  method: 'GET',
  path: '/users/:user_id/export',
  operationId: 'exportUser',
  summary: 'Everything that is kept of a user',
  description: [
    'Lines of JSON (NDJSON), each with a `type`: first `export`, then the `user`, each `connection` and each `run`, both with',
    'their types of data, oldest activity first, each `event` of the log, oldest first, and last `end`. Fields are those of the',
    'GraphQL types in snake case. The last line says whether the export is `complete`, with `counts` of the lines before it:',
    'without one, or with `complete: false` and the `code` and `reason` of an error, the export was cut off. Events are those up to the head of the log as',
    'the first line tells it. A run that changes meanwhile may stand there twice; the later line counts. What is recorded,',
    'or removed by retention, during an export may be missing. It is as quick as the account may ask.',
  ].join(' '),
  parameters: () => ({ user_id: userInPath }),
  answer: {
    status: 200,
    description: 'One object a line.',
    type: 'application/x-ndjson',
    schema: { type: 'object', properties: { type: { enum: ['export', 'user', 'connection', 'run', 'event', 'end'] } } },
  },
  errors: ['NOT_FOUND'],
  open(tools) {
    const read = prepareReads(tools);
    return async ({ user_id: userId }, visit, request, fails) => {
      const { user } = await read.user(unpaid(visit), { userId });
      if (!user) throw new AppError('NOT_FOUND', 'There is no such user, or none that may be seen');
      const headers = {
        'content-type': 'application/x-ndjson',
        'content-disposition': `attachment; filename="${userId}.ndjson"`,
        'cache-control': 'no-store',
      };
      if (request.method === 'HEAD') return new Response(null, { headers });
      visit.spending.stream();
      const life = tools.openLife(visit, request.raw.signal);
      return new Response(streamOf(linesOf(read, visit, user, life), life, fails), { headers });
    };
  },
});

type Reads = ReturnType<typeof prepareReads>;

function prepareReads({ prepare, schema }: RouteTools) {
  const of = (type: string) => selectionOf(schema, objectType(schema, type));
  const edges = (type: string) => `edges { cursor node { ${of(type)} } }`;
  return {
    user: prepare<UserAlone>(`query ExportUser($userId: UUID!) { user(id: $userId) { ${of('User')} } }`),
    connections: prepare<Connections>(
      `query ExportConnections($userId: UUID!) { user(id: $userId) { connections { ${of('ProviderLink')} } } }`,
    ),
    runs: prepare<Runs>(`query ExportRuns($userId: UUID!, $before: String) {
      user(id: $userId) { syncRuns(last: ${PAGE}, before: $before) { ${edges('SyncRun')} pageInfo { hasPreviousPage } } }
    }`),
    events: prepare<Events>(`query ExportEvents($userId: UUID!, $after: String) {
      user(id: $userId) { head_cursor: headCursor syncEvents(first: ${PAGE}, after: $after) { ${edges('SyncEvent')} } }
    }`),
  };
}

function objectType(schema: GraphQLSchema, name: string): GraphQLObjectType {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`${name} is no object type`);
  return type;
}

/** Every field of a type that needs no argument and is no object of its own, under its name in snake case. */
function selectionOf(schema: GraphQLSchema, type: GraphQLObjectType): string {
  return Object.values(type.getFields())
    .flatMap((field) => {
      const named = getNamedType(field.type);
      const head = `${inSnakeCase(field.name)}: ${field.name}`;
      if (isLeafType(named)) return [head];
      return parts.has(named.name) ? [`${head} { ${selectionOf(schema, objectType(schema, named.name))} }`] : [];
    })
    .join(' ');
}

const inSnakeCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The pages of an export are paid by their lines, and not by what else a query for them might list. */
function unpaid({ viewer, address, spending }: Visit): Visit {
  return new Visit({ viewer, address, spending: { ...spending, request() {}, items() {}, found() {} } });
}

/** All lines, a page at once. Runs are read from the oldest on, as one that changes moves to the newest and is met again. */
async function* linesOf(
  read: Reads,
  visit: Visit,
  user: NonNullable<UserAlone['user']>,
  { signal }: StreamLife,
): AsyncGenerator<string, void, undefined> {
  const userId = String(user.id);
  const counts: Counts = { users: 1, connections: 0, runs: 0, events: 0 };
  const head = Number(user.head_cursor);
  const ask = async <Data>(run: RunDocument<Data>, variables: Readonly<Record<string, unknown>>) => {
    await pay(visit, signal);
    return run(unpaid(visit), { userId, ...variables });
  };
  yield line('export', { format: 1, user_id: userId, head_cursor: user.head_cursor, exported_at: new Date() });
  yield line('user', user);

  const { user: owner } = await ask(read.connections, {});
  const connections = gone(owner).connections;
  counts.connections = connections.length;
  yield connections.map((each) => line('connection', each)).join('');

  for (let before: string | undefined, isLast = false; !isLast; ) {
    const { edges, pageInfo } = gone((await ask(read.runs, { before })).user).syncRuns;
    counts.runs += edges.length;
    before = edges[0]?.cursor;
    isLast = !pageInfo.hasPreviousPage || before === undefined;
    yield edges
      .toReversed()
      .map(({ node }) => line('run', node))
      .join('');
  }

  // Without a cursor a page begins with the oldest event that is kept. Only the head tells the end: a page that retention has
  // overtaken may be empty, and is asked for again.
  for (let after: string | undefined; Number(after ?? 0) < head; ) {
    const page = await ask(read.events, { after }).catch(expired);
    if (!page) {
      after = undefined;
      continue;
    }
    const owner = gone(page.user);
    if (Number(owner.head_cursor) < head) gone(null); // the log of another, who was made under the same id
    const { edges } = owner.syncEvents;
    const within = edges.filter(({ node }) => Number(node.sequence) <= head);
    counts.events += within.length;
    after = edges.at(-1)?.cursor ?? after;
    yield within.map(({ node }) => line('event', node)).join('');
  }
  yield line('end', { complete: true, counts });
}

/** Waits until the account may ask for another page. @throws the reason for which the life of the stream has ended */
async function pay({ spending }: Visit, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return spending.items(PAGE);
    } catch (error) {
      if (!(error instanceof AppError) || typeof error.extensions.retryAfter !== 'number') throw error;
      await pause(error.extensions.retryAfter * 1_000, signal);
    }
  }
}

/** Nothing, where retention has removed what comes after a cursor. @throws every other error */
function expired(error: unknown): undefined {
  if (!(error instanceof GraphQLError) || error.extensions.reason !== 'CURSOR_EXPIRED') throw error;
}

/** What is left of a user, who may have been deleted meanwhile. */
function gone<T>(user: T | null): T {
  if (user === null) throw new AppError('NOT_FOUND', 'The user was deleted');
  return user;
}

const line = (type: string, fields: Line) => `${JSON.stringify({ type, ...fields })}\n`;

/**
 * The lines as they are taken: the next page is read when the last one has gone. However it ends, so does the life.
 */
function streamOf(
  lines: AsyncGenerator<string, void, undefined>,
  life: StreamLife,
  fails: Fails,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const end = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    life.end();
    controller.close();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { value, done } = await lines.next();
            if (done) return end(controller);
            if (value === '') continue;
            return controller.enqueue(encoder.encode(value));
          }
        } catch (error) {
          const cause: unknown = life.signal.aborted ? life.signal.reason : error;
          // A life that the server ends has one of our errors as its reason. Else the client has left, and nobody reads on.
          if (life.signal.aborted && !(cause instanceof AppError)) return end(controller);
          const { message: reason, extensions } = fails(cause);
          const { code, id } = extensions;
          controller.enqueue(encoder.encode(line('end', { complete: false, code, id, reason })));
          return end(controller);
        }
      },
      async cancel() {
        life.end();
        await lines.return();
      },
    },
    { highWaterMark: 0 },
  );
}
