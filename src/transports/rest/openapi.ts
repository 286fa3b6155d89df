import { type GraphQLSchema, isObjectType } from 'graphql';
import { type ErrorCode, errorCodes } from '../../errors.ts';
import { productVersion } from '../../lib/version.ts';
import type { Limits } from '../../limits.ts';
import type { WebhookDescription } from '../../sources/define-source.ts';
import { detailOf } from './failures.ts';
import { arrayOf, type JsonSchema, schemaNamed } from './json-schema.ts';
import type { Parameters } from './parameters.ts';
import type { Description } from './route.ts';
import { BASE_PATH, routes, TOKEN_PARAMETER } from './routes.ts';
import { describeWebhook } from './webhook-routes.ts';
import { wireEventFields } from './wire-event.ts';
import { schemaOf, type WireField } from './wire-fields.ts';
import { wireDataTypeFields, wireHistoryFields } from './wire-history.ts';
import { wireRunFields } from './wire-run.ts';

/** Errors that everything may answer with. */
const commonErrors: readonly ErrorCode[] = [
  'BAD_USER_INPUT',
  'UNAUTHENTICATED',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
];

const meanings: Partial<Record<ErrorCode, string>> = {
  BAD_USER_INPUT:
    'The request is wrong, or asks for too much; `detail` says where and why; of events, `problems` lists the first 20 things that are wrong.',
  UNAUTHENTICATED: 'There is no good credential.',
  FORBIDDEN: 'Not with this credential.',
  NOT_FOUND: 'There is no such user, or none that you may see.',
  EVENT_ID_CONFLICT: 'An event with this id has other content.',
  LIMIT_EXCEEDED: 'Too much at once.',
  RATE_LIMITED: 'Too much in a short time; try again later.',
  UNAVAILABLE: 'Not now; try again.',
  INTERNAL_SERVER_ERROR: 'Our mistake.',
};

/** One thing that is wrong with an event of a recording. An empty field stands for the event itself. */
const problemSchema = {
  type: 'object',
  properties: { index: { type: 'integer' }, field: { type: 'string' }, message: { type: 'string' } },
  required: ['index', 'field', 'message'],
};

/** All routes are about one thing; a tool groups them under it. */
const TAG = 'sync';

const apiKeys = { apiKey: 'X-Open-Wearables-API-Key', shortApiKey: 'X-API-Key' };
const credentials = [{ bearer: [] }, ...Object.keys(apiKeys).map((name) => ({ [name]: [] }))];

/**
 * The REST routes in OpenAPI 3.1, out of what they themselves are made of: their table, the fields on the wire,
 * the descriptions of the GraphQL types that these show, and the webhooks of the installed sources.
 */
export function describeApi(limits: Limits, schema: GraphQLSchema, webhooks: readonly WebhookDescription[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of [...routes, ...webhooks.map(describeWebhook)]) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route, limits) };
  }
  const history = shownAs(wireHistoryFields, schema, 'SyncRun');
  return {
    openapi: '3.1.0',
    info: {
      title: 'Synclog',
      version: productVersion(),
      description:
        "A durable, live log of wearable-data syncs, in the format of Open Wearables 0.6.3 to 0.9. Everything here and more is in GraphQL, under `/graphql`. What is not in Open Wearables: the parameters `after`, `provider`, `source`, `status` and `run_id` of a user's events, those of scope, times and text, resuming, tokens of users, and recording.",
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: BASE_PATH.slice(1), description: 'This server.' }], // relative, so that it holds behind a proxy
    tags: [{ name: TAG, description: 'Events and runs of syncs.' }],
    security: credentials,
    paths,
    components: {
      schemas: {
        SyncEvent: shownAs(wireEventFields, schema, 'SyncEvent'),
        SyncEventInput: eventInput(schema),
        SyncRun: shownAs(wireRunFields, schema, 'SyncRun'),
        SyncRunHistory: history,
        SyncRunHistoryWithTypes: withTypes(history),
        DataTypeSync: shownAs(wireDataTypeFields, schema, 'DataTypeSync'),
        Error: {
          type: 'object',
          properties: { detail: { type: 'string' }, problems: arrayOf(problemSchema) },
          required: ['detail'],
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Of a developer, or of a user.' },
        ...Object.fromEntries(
          Object.entries(apiKeys).map(([id, name]) => [id, { type: 'apiKey', in: 'header', name }]),
        ),
        userToken: {
          type: 'apiKey',
          in: 'query',
          name: TOKEN_PARAMETER,
          description: "A user's short-lived token, for a browser's `EventSource`, which cannot set headers.",
        },
        ...Object.fromEntries(
          webhooks.map(({ signature: { scheme, header, description } }) => [
            scheme,
            { type: 'apiKey', in: 'header', name: header, description },
          ]),
        ),
      },
    },
  };
}

function describeRoute(route: Description<Parameters>, limits: Limits): object {
  const { operationId, summary, description, body, answer, errors = [], takesTokenInQuery, signedBy } = route;
  const viewerErrors: readonly ErrorCode[] = signedBy ? [] : ['FORBIDDEN'];
  const headers = Object.entries(answer.headers ?? {}).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    operationId,
    tags: [TAG],
    summary,
    ...(description !== undefined && { description }),
    parameters: describeParameters(route.parameters(limits)),
    ...(body && {
      requestBody: {
        required: true,
        description: body.description,
        content: { 'application/json': { schema: body.schema } },
      },
    }),
    ...(takesTokenInQuery && { security: [...credentials, { userToken: [] }] }),
    ...(signedBy && { security: [{ [signedBy]: [] }] }),
    responses: {
      [answer.status]: {
        description: answer.description,
        ...(headers.length > 0 && { headers: Object.fromEntries(headers) }),
        content: { [answer.type]: { schema: answer.schema } },
      },
      ...Object.fromEntries(
        [...commonErrors, ...viewerErrors, ...errors].map((code) => [errorCodes[code].httpStatus, describeError(code)]),
      ),
      ...(body && {
        415: {
          description: `The body is ${signedBy ? '' : 'not JSON, '}not in UTF-8, or encoded.`,
          content: errorContent(undefined),
        },
      }),
    },
  };
}

function describeParameters(parameters: Parameters): object[] {
  return Object.entries(parameters).map(([name, { in: place, description, schema }]) => ({
    name,
    in: place,
    description,
    ...(place === 'path' && { required: true }),
    schema,
  }));
}

function describeError(code: ErrorCode): object {
  const description = meanings[code] ?? code;
  if (code === 'INTERNAL_SERVER_ERROR')
    return { description, content: { 'text/plain': { schema: { type: 'string' } } } };
  const headers = { 'retry-after': { description: 'Seconds to wait.', schema: { type: 'integer' } } };
  return { description, ...(isForLater(code) && { headers }), content: errorContent(detailOf(code)) };
}

const isForLater = (code: ErrorCode) => code === 'UNAVAILABLE' || code === 'RATE_LIMITED';

function errorContent(detail: string | undefined): object {
  const example = detail === undefined ? {} : { example: { detail } };
  return { 'application/json': { schema: { $ref: '#/components/schemas/Error' }, ...example } };
}

/** An object of the wire with the descriptions of the GraphQL type that it shows. */
function shownAs(fields: readonly WireField[], schema: GraphQLSchema, type: string): JsonSchema {
  const shown = schema.getType(type);
  if (!isObjectType(shown)) throw new Error(`${type} is no object type`);
  return schemaOf(fields, shown);
}

/** A run of a history, and last what it did with each type of data. */
function withTypes(history: JsonSchema): JsonSchema {
  return {
    ...history,
    properties: { ...(history.properties as JsonSchema), data_types: arrayOf(schemaNamed('DataTypeSync')) },
    required: [...(history.required as string[]), 'data_types'],
  };
}

/** An event as it is recorded: some fields may be left out, and only known words are taken. */
function eventInput(schema: GraphQLSchema): JsonSchema {
  const { description, properties } = shownAs(wireEventFields, schema, 'SyncEvent');
  const shown = properties as Readonly<Record<string, JsonSchema>>; // of the same fields
  const taken = wireEventFields.map(({ name, value, required }) => [
    name,
    { ...shown[name], ...value.accepts, ...(!required && { type: [value.schema.type, 'null'] }) },
  ]);
  return {
    type: 'object',
    description,
    properties: Object.fromEntries(taken),
    required: wireEventFields.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false,
  };
}
