import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultLimits, type Limits } from '../../src/limits.ts';

const root = join(import.meta.dirname, '../..');

/** A bound or a default as it looks when it is typed by hand, in a text or beside one. */
const typedBounds = [
  /\b\d+ to \d[\d,]+/, // a fraction of `0 to 1` is no bound of ours
  /\b(?:at most|up to|within|longer than|more than|every) \d[\d,]*/,
  /\b\d[\d,]+ (?:if not given|to \d|KiB|MiB|characters|seconds|minutes|deep)\b/,
  /\b(?:defaultValue|fallback|max|maximum|maxLength|maxItems): \d\d/,
];

function typedIn(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      typedBounds.some((bound) => bound.test(line)) ? [`${path}:${index + 1}: ${line.trim()}`] : [],
    );
}

describe('what the API says of its limits', () => {
  it('comes from src/limits.ts, in GraphQL and in REST', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const paths = files.filter((path) => /\.graphql\.ts$|^transports\/rest\/.+\.ts$/.test(path));
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.flatMap((path) => typedIn(path, readFileSync(join(root, 'src', path), 'utf8')))).toEqual([]);
  });

  it.each([
    "description: 'How many events at most, 1 to 200.',",
    "description: 'Its life, 1 to 86,400 seconds.',",
    "description: '`first` and `last` are given, 50 if not given.',",
    "description: 'Text for people, at most 4,096 characters.',",
    "description: 'A payload comes every 15 seconds.',",
    "description: 'By your clock; years 2000 to 2099.',",
    'limit: integer({ min: 1, max: pageSize, fallback: 50 })',
    'limit: t.arg.int({ required: true, defaultValue: 50 })',
  ])('is seen when it is typed by hand: %s', (line) => {
    expect(typedIn('a.graphql.ts', line)).toHaveLength(1);
  });

  it.each([
    "description: 'Fraction done, 0 to 1.',",
    "description: 'How many events at most, 1 to ' + inWords(pageSize),",
    "description: 'Answered with 200 once it is durable.',",
    "description: 'A UUID: 32 hexadecimal digits in five groups.',",
  ])('is not seen where no limit is: %s', (line) => {
    expect(typedIn('a.graphql.ts', line)).toEqual([]);
  });
});

/** Where each limit is tried: the tests of a file that sets the limit or tells it by its name. */
const triedByName: Readonly<Record<string, readonly (keyof Limits)[]>> = {
  'db/locked-rows': ['heldUpRecordings', 'heldUpMs', 'retentionDoubtMs'],
  'deploy/manifests': ['openStreams', 'shutdownMs'],
  'docs/open-wearables-guide': ['sourceLeaseMs'],
  'docs/readme': ['fieldsOfOneItem', 'itemsOfFilter', 'itemsOfSearch', 'introspectionItems', 'checkpointMs'],
  'doors/body-bounds': ['requestBytes', 'queryBytes'],
  'doors/first-page': ['credentialPollMs'],
  'doors/introspection': ['introspectedFieldsOfOneItem'],
  'doors/kept-answers': ['keptAnswerBytes'],
  'doors/keys-of-open-wearables': ['openWearablesQuestions', 'openWearablesKeyMs'],
  'doors/load-shedding': ['strainLagMs', 'overloadLagMs', 'strainLastsMs'],
  'doors/open-streams': ['streamParts'],
  'doors/rate-limits': [
    'serviceRate',
    'userRate',
    'anonymousRate',
    'failedCredentialRate',
    'recordingRate',
    'itemsOfOneCharge',
  ],
  'doors/rest-contract': ['heartbeatMs'],
  'doors/slow-clients': ['headersMs', 'requestMs', 'connectionIdleMs'],
  'doors/time-and-length': ['answerLength', 'operationMs'],
  'doors/websocket': ['connectionInitMs'],
  'doors/websocket-bounds': [
    'socketMessageBytes',
    'socketMessagePieces',
    'socketMessages',
    'untakenAnswerBytes',
    'streamsPerSocket',
  ],
  'instances/leases': ['sourceRenewMs', 'sourceTryMs'],
  'lib/config': ['trustedDocuments'],
  'lib/jwt': ['verifiedTokensLength', 'userTokenSeconds'],
  'lib/live-buffer': ['bridgeLength'],
  'lib/open-wearables-keys': [
    'openWearablesKeys',
    'openWearablesRefusals',
    'openWearablesRefusalMs',
    'openWearablesAnswerMs',
  ],
  'lib/pressure': ['strainMemoryPercent', 'overloadMemoryPercent'],
  'log/follow': ['slowPollMs'],
  'log/follow-cost': ['tailEvents'],
  'log/follow-while-away': ['databaseRetryMs'],
  'log/recording-groups': ['eventsPerRecording', 'eventsPerTransaction', 'waitingRecordings'],
  'log/retention': ['retainedEvents', 'retentionBatch', 'retentionUsers'],
  'log/slow-consumer': ['slowConsumerMs', 'socketPingMs', 'pageSize'],
  'log/widest-filters': ['usersPageSize', 'filterEntries'],
  'nouns/act-counts': ['auditCounts', 'auditCountMs'],
  'nouns/api-keys': ['apiKeyNameLength'],
  'nouns/audit': ['auditDays'],
  'nouns/data-types': ['nativeTypeLength', 'errorLength'],
  'nouns/judged-connections': ['judgingPauseMs'],
  'nouns/key-rotation': ['keyOverlapSeconds'],
  'nouns/key-uses': ['keyUseMs'],
  'nouns/query-cost': ['operationItems'],
  'nouns/runs-subscription': ['waitingRows'],
  'nouns/text-filters': ['searchLength'],
  'simulation/schedule': ['retentionPauseMs'],
  'sources/open-wearables-bridge': [
    'bridgeMessages',
    'quarantinedEntries',
    'quarantinedPayloads',
    'bridgeRetryMs',
    'bridgePingMs',
    'bridgeAnswerMs',
    'bridgeCheckMs',
  ],
  'sources/open-wearables-webhooks': ['webhookRate', 'webhookBytes'],
};

/** Where the others are tried: a piece of the test's name, or of the test, that tells the limit by its number. */
const triedByNumber: Readonly<Partial<Record<keyof Limits, readonly [file: string, told: string]>>> = {
  listedProblems: ['log/recording', 'of which up to twenty are listed'],
  defaultPageSize: ['nouns/recent-events', 'are 50 where the query does not say how many'],
  listedRuns: ['doors/rest-contract', "parameter: 'limit', min: 1, max: 10_000"],
  defaultListedRuns: ['doors/rest-lists', '50 runs of all'],
  defaultRunsOfUser: ['doors/rest-lists', '20 runs of a user'],
  defaultHistory: ['doors/rest-history', 'expect(await keys(userId)).toHaveLength(20)'],
  defaultReplay: ['doors/rest-lists', 'a replay of 20'],
  connectionsPerUser: ['nouns/connections', 'is one of at most 50'],
  dataTypesPerEvent: ['nouns/data-types', '201 types, where 200 are taken'],
  dataTypesPerRun: ['nouns/data-types', 'are shown up to 200 of a connection and of a run'],
  dataTypesPerConnection: ['nouns/data-types', 'are shown up to 200 of a connection and of a run'],
  listedSources: ['sources/kept-texts', '20 sources are listed, and no more'],
  runIdLength: ['doors/event-bounds', "['runId', '256 characters', long(256)]"],
  providerLength: ['doors/event-bounds', "['provider', '65 characters', long(65)]"],
  messageLength: ['doors/event-bounds', "['message', '4,097 characters', long(4_097)]"],
  dataTypeLength: ['nouns/data-types', 'a name of 65 characters'],
  metadataBytes: ['doors/event-bounds', "'metadata', 'more than 64 KiB'"],
  metadataDepth: ['doors/event-bounds', "'metadata', 'more than 32 levels'"],
  itemCount: ['doors/event-bounds', 'itemsProcessed: 2_147_483_647'],
  earliestTime: ['doors/event-bounds', "'a time before 2000', '1999-12-31T23:59:59.999Z'"],
  latestTime: ['doors/event-bounds', "'a time after 2099', '2100-01-01T00:00:00Z'"],
  quarantinedPayloadLength: ['sources/kept-texts', 'is kept up to 2,000 characters'],
  sourceErrorLength: ['sources/kept-texts', 'is shown up to 500 characters'],
  userFieldLength: ['nouns/users', 'takes texts of 1 to 255 characters'],
  apiKeyLength: ['doors/forged-credentials', 'is looked up for 256 characters and not for one more'],
  bearerTokenLength: ['lib/jwt', 'a token may have 16,384 characters'],
  costlyItems: ['doors/load-shedding', 'costing(201)'],
  countedAccounts: ['lib/rate-limits', '50,000 accounts have a count'],
  documentTokens: ['doors/operation-bounds', "what: 'tokens',\n    most: 2_000"],
  documentMistakes: ['doors/introspection', 'a document with many mistakes is told of the first 20'],
  operationDepth: ['doors/operation-bounds', "what: 'fields within one another',\n    most: 12"],
  introspectionDepth: ['doors/document-bounds', 'deepest(16)'],
  operationAliases: ['doors/operation-bounds', "what: 'aliases',\n    most: 30"],
  operationRootFields: ['doors/operation-bounds', "what: 'fields at its root',\n    most: 20"],
  operationDirectives: ['doors/operation-bounds', "what: 'directives',\n    most: 20"],
  documentBrackets: ['doors/operation-bounds', "what: 'brackets open at once',\n    most: 200"],
  variableDepth: ['doors/operation-bounds', 'levels within the value of a variable: 40'],
  lightItems: ['lib/bill', 'up to 1,000 items'],
  openExports: ['doors/export', 'exports open`'],
  exportParts: ['doors/export', 'exports open`'],
  streamRetryMs: ['doors/rest-stream', 'retry: 2000'],
};

describe('every limit', () => {
  const named = Object.entries(triedByName).flatMap(([file, limits]) => limits.map((limit) => [limit, file, limit]));
  const told = Object.entries(triedByNumber).map(([limit, [file, text]]) => [limit, file, text]);

  it('is tried by a test, which is told here', () => {
    const tried = [...named, ...told].map(([limit]) => limit);
    expect(tried.toSorted()).toEqual(Object.keys(defaultLimits).toSorted());
  });

  it.each([...named, ...told])('is tried where it is said to be: %s in %s', (_limit, file = '', text = '') => {
    const paths = [`${file}.test.ts`, `${file}.ts`].map((path) => join(root, 'test', path));
    const path = paths.find((each) => existsSync(each)) ?? file;
    expect(readFileSync(path, 'utf8')).toContain(text);
  });
});
