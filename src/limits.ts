/**
 * The limits of the server. A limit is a bound that a client or an operator can meet: it stands in `src/limits.ts`, and
 * any other bound stands beside its machine.
 * Sizes are in bytes or UTF-16 code units as named, times in milliseconds.
 */
export const defaultLimits = {
  /** Events of one `recordSyncEvents` call. */
  eventsPerRecording: 500,
  /** Events that one transaction of grouped recordings may hold; a single recording always fits. */
  eventsPerTransaction: 1_000,
  /** Recordings that may wait for a transaction; past that the caller gets `UNAVAILABLE`. */
  waitingRecordings: 2_000,
  /** As long as so many wait for rows that somebody else keeps locked, further ones for such users get `UNAVAILABLE`. */
  heldUpRecordings: 500,
  /** Problems of one refused recording that are listed; its other events may have more. */
  listedProblems: 20,
  /**
   * `limit`, `first`, `last` and `replayLast` of every list but `users`, REST's `limit` and `replay`, and what one read of a
   * follower takes.
   */
  pageSize: 200,
  /** Page size where a query names none, here and in REST's list of a user's newest events. */
  defaultPageSize: 50,
  /** `first`/`last` of `users`. */
  usersPageSize: 100,
  /** Runs of all users that REST lists at once, read in pages; of a user token fewer, as `operationItems` says. */
  listedRuns: 10_000,
  /** What REST lists, or replays on a stream, where a request names no number: as Open Wearables does. */
  defaultListedRuns: 50,
  defaultRunsOfUser: 20,
  defaultHistory: 20,
  defaultReplay: 20,
  /** Connections of a user that are listed. */
  connectionsPerUser: 50,
  /** Types of data that one event may tell of; of what its metadata says beyond that, nothing is read. */
  dataTypesPerEvent: 200,
  /** Types of data that are shown of a run: Open Wearables knows some 120. */
  dataTypesPerRun: 200,
  /** Types of data that are shown of a connection. */
  dataTypesPerConnection: 200,
  /** Sources that are listed: each that ever fed the log is one. */
  listedSources: 20,
  /** What a list of trusted documents may hold. */
  trustedDocuments: { documents: 10_000, characters: 32 * 1_048_576 },
  /** Newest events of a followed user that are kept in memory, shared by all followers of that user. */
  tailEvents: 200,
  /** Answers that are kept to be given again, all together, in bytes. */
  keptAnswerBytes: 64 * 1_048_576,
  /** Changed runs, or connections, that one reader of the subscription `syncRuns` or `connections` may have waiting; each counts once. */
  waitingRows: 10_000,
  /** Newest events of each user that retention leaves, however old they are. */
  retainedEvents: 200,
  /** Events that retention, or the deletion of a user, removes in one transaction. */
  retentionBatch: 500,
  /** For how long the audit log is kept: a yearly review finds the year before. */
  auditDays: 400,
  /** How seldom it is written down how many user tokens were made. */
  auditCountMs: 60_000,
  /** Credentials and hours whose user tokens wait to be written down; those of others are not counted meanwhile. */
  auditCounts: 10_000,
  /** Users that retention looks at in one statement. */
  retentionUsers: 100,

  runIdLength: 255,
  providerLength: 64,
  messageLength: 4_096,
  errorLength: 16_384,
  dataTypeLength: 64,
  nativeTypeLength: 255,
  metadataBytes: 65_536,
  metadataDepth: 32,
  /** Largest item count: GraphQL's Int. */
  itemCount: 2_147_483_647,
  /** Accepted event times, as ISO strings: from the first, before the second. */
  earliestTime: '2000-01-01T00:00:00.000Z',
  latestTime: '2100-01-01T00:00:00.000Z',
  /** Entries of each list in a filter. */
  filterEntries: 50,

  /** Of each source: how many entries that could not be read are kept, and how many of those with their text. */
  quarantinedEntries: 100_000,
  quarantinedPayloads: 1_000,
  /** How much of the text of such an entry is kept. */
  quarantinedPayloadLength: 2_000,
  /** Error text that a source shows. */
  sourceErrorLength: 500,
  /** Live messages that may wait for the log, in number and UTF-16 code units; past that they are read from the lists. */
  bridgeMessages: 50_000,
  bridgeLength: 64 * 1_048_576,

  userFieldLength: 255,
  /** What users, events and runs are searched for. */
  searchLength: 100,
  apiKeyNameLength: 100,
  /** For how long the secret before stays good when a key is rotated; the default where a request names no time. */
  keyOverlapSeconds: { min: 0, max: 604_800, default: 86_400 },
  /** A longer API key or bearer token is no credential, and is not even looked up. */
  apiKeyLength: 256,
  bearerTokenLength: 16_384,
  /** Tokens that are remembered as well signed, in UTF-16 code units of all of them: some thousands. */
  verifiedTokensLength: 1_048_576,
  /** API keys of Open Wearables that are remembered as good, and texts that are remembered as none of its keys. */
  openWearablesKeys: 1_000,
  openWearablesRefusals: 10_000,
  /** How often a second Open Wearables is asked about keys that it has not been heard to take; past that they get `UNAVAILABLE`. */
  openWearablesQuestions: 10,
  /**
   * How much may be asked at once, and how much in a second after: by a service or a developer, by one user, from an address
   * without a credential. Each request counts 1, and what it lists counts by `itemsOfOneCharge`. A small request takes a
   * part of a millisecond of the server, so that one service can ask for half of what a server can do.
   */
  serviceRate: { burst: 10_000, perSecond: 1_000 },
  userRate: { burst: 1_000, perSecond: 50 },
  anonymousRate: { burst: 100, perSecond: 10 },
  /** So much of an operation's cost counts as one more request. */
  itemsOfOneCharge: 10,
  /** How many credentials of one address may be refused, before only those are looked at that were good before. */
  failedCredentialRate: { burst: 300, perSecond: 5 },
  /**
   * How much may be recorded on one account: an event counts 1, a large one the KiB that it takes. A quarter of what one
   * Postgres can take, and some hundred times what a platform of 100,000 users reports.
   */
  recordingRate: { burst: 200_000, perSecond: 5_000 },
  /** Deliveries of one sender to the webhook of a source. */
  webhookRate: { burst: 20_000, perSecond: 200 },
  /** An operation that may list more is put off while the server cannot keep up. */
  costlyItems: 200,
  /**
   * When the server cannot keep up: how late its event loop is, and how much is used of V8's heap or of what a container
   * allows, in percent. Strained, it takes no new streams; overloaded, nobody without a credential, and nothing costly.
   * Either lasts so long after the last sign of it.
   */
  strainLagMs: 500,
  overloadLagMs: 1_000,
  strainMemoryPercent: 85,
  overloadMemoryPercent: 93,
  strainLastsMs: 1_000,
  /** How many accounts have a count, of each kind. */
  countedAccounts: 50_000,
  /** Life of a user token; the default where a request names none. */
  userTokenSeconds: { min: 1, max: 86_400, default: 900 },

  /**
   * Body of an HTTP request of who may record: 500 events take some 150 kB, and several megabytes with long errors and metadata.
   * Of anybody else, who can only ask, it is `queryBytes`: a document within its own bounds takes some kilobytes.
   */
  requestBytes: 8 * 1_048_576,
  queryBytes: 262_144,
  /**
   * One WebSocket message: 500 events of the usual kind fit. A recording with longer texts goes by POST: a socket is kept open by
   * thousands, and what they may send at once has to be small.
   */
  socketMessageBytes: 262_144,
  /** Fragments of one message, and pieces in which one comes: a quarter of what slow networks make of the longest. */
  socketMessagePieces: 1_000,
  /**
   * Messages that a client may send on one WebSocket: so many at once, and so many in a second from then on. One counts once more
   * for each `bytesOfOne`. Some ten times what a client needs that comes back with all its streams.
   */
  socketMessages: { burst: 500, perSecond: 100, bytesOfOne: 16_384 },
  /** Answers to messages that a client has not taken, beside results, before its socket is cut. */
  untakenAnswerBytes: 1_048_576,
  /** Body of a webhook delivery. */
  webhookBytes: 1_048_576,
  /** Lexical tokens of a GraphQL document. */
  documentTokens: 2_000,
  /** Mistakes of a document that are listed; it is read no further. Each may take a millisecond, to find names like one that is mistyped. */
  documentMistakes: 20,
  /**
   * How deep the fields of an operation are nested, fragments flattened. Twelve is a type of data's reason, of an event, of a
   * run, of a user, in pages.
   */
  operationDepth: 12,
  /** The same within `__schema` and `__type`, where lists within lists of required values take one level each. */
  introspectionDepth: 16,
  /** Of one operation, fragments counted as often as they are spread. */
  operationAliases: 30,
  operationRootFields: 20,
  operationDirectives: 20,
  /**
   * Brackets of all kinds that may be open at once in a GraphQL document. One within the other limits needs far fewer;
   * parsing, validation and coercion work by recursion, and some thousands would exhaust the stack.
   */
  documentBrackets: 200,
  /**
   * Nesting of the value of a variable: what `metadataDepth` allows with what stands around it, and so much more that
   * metadata which is too deep is refused with the event that it stands in.
   */
  variableDepth: 40,
  /**
   * What an operation may cost in all: the list items that it asks for, page sizes along each path multiplied, and added up, with
   * the objects that are found for them. `user` is for user tokens and for who shows no credential, `service` for who sees
   * all users.
   */
  operationItems: { user: 2_000, service: 20_000 },
  /** So many fields of one item, or of an object that is found for it, count as one; as many more count as one more. */
  fieldsOfOneItem: 20,
  /** So many fields of the schema itself count as one, since nothing is read for them; and so much an operation may ask for of it. */
  introspectedFieldsOfOneItem: 100,
  introspectionItems: 200,
  /** What a list costs beside its items if it has a filter, and if it looks for a text, which may have to be looked for in all. */
  itemsOfFilter: 5,
  itemsOfSearch: 50,
  /** An operation that costs more waits for others like it, and runs in slices between which others are served. */
  lightItems: 1_000,
  /**
   * Sockets and streams open at once on one instance, of everybody together: a socket is one, and each stream on it one more. With 30
   * to 50 kB for each, 10,000 take as much memory as the process itself. The setting `MAX_STREAMS` has another number.
   */
  openStreams: 10_000,
  /**
   * Which part of them, one in so many, may be open: the last, for `operators` (services and developers) alone; of one
   * `service` or developer, who has 20 sockets of 49 streams; of one `address` of users and of whoever has said nothing yet, as
   * a company behind one has some hundreds of pages; of one `user`, who has a dozen pages on some devices.
   */
  streamParts: { operators: 10, service: 10, address: 10, user: 100 },
  /**
   * Exports open at once on one instance, of everybody together, and which parts of them, as of streams: ten of a service, two of a
   * user. One that nobody takes holds a page of 131,072 characters, or a single line where that is longer: one with all its types of
   * data, each with an error as long as it may be, has some megabytes.
   */
  openExports: 100,
  exportParts: { operators: 2, service: 10, address: 10, user: 50 },
  /**
   * What a query or a mutation over GraphQL may be answered with, in UTF-16 code units of the JSON of its data, and how long a list
   * of REST may be: 20,000 events of the usual kind take two thirds of it.
   */
  answerLength: 16 * 1_048_576,
  /** Operations that run on one WebSocket, subscriptions among them: a page with that many views has one for each. */
  streamsPerSocket: 50,

  /** What a query, a mutation or a list of REST may take; then nothing more is begun for it. */
  operationMs: 10_000,
  /** A stream says where it stands at least this often. */
  checkpointMs: 15_000,
  /** Silence on a stream of server-sent events after which a comment is sent. */
  heartbeatMs: 15_000,
  /** How long a browser waits before it comes back to a stream of REST. */
  streamRetryMs: 2_000,
  /** How often followed logs are looked at without a wake-up. */
  slowPollMs: 5_000,
  /** A recording waits so long for rows that somebody else keeps locked, then it gets `UNAVAILABLE`. */
  heldUpMs: 2_000,
  /** Pause of an open stream between attempts to read from a database that is away. */
  databaseRetryMs: 500,
  /** How often the credentials of open streams are looked at; a revocation takes effect within this time. */
  credentialPollMs: 10_000,
  /** How seldom it is written down that API keys are used. */
  keyUseMs: 60_000,
  /**
   * For how long an answer of Open Wearables on an API key counts: that the key is good, that it is not. A key that is revoked
   * there ends its streams within the first, `credentialPollMs` and what an answer takes.
   */
  openWearablesKeyMs: 10_000,
  openWearablesRefusalMs: 60_000,
  /** What an answer of Open Wearables on an API key may take. */
  openWearablesAnswerMs: 5_000,
  /** Time that a client has to send `connection_init` on a WebSocket. */
  connectionInitMs: 3_000,
  /** A reader that takes nothing for so long is ended. */
  slowConsumerMs: 30_000,
  /** WebSockets are pinged this often, and cut if no answer comes before the next ping. */
  socketPingMs: 30_000,
  /** What the headers of a request may take, and all of it: a slow telephone takes seconds for the first. */
  headersMs: 20_000,
  requestMs: 300_000,
  /** An HTTP connection on which nothing moves for so long, although it is in use, is cut. */
  connectionIdleMs: 60_000,
  /** For how long an instance may work on a source without renewing its lease; then another instance takes the source. */
  sourceLeaseMs: 5_000,
  /** How often the instance that works on a source renews the lease, and writes down how the source stands. */
  sourceRenewMs: 1_500,
  /** How often another instance tries to take the source. */
  sourceTryMs: 500,
  /** Longest pause between two attempts to connect to a source. */
  bridgeRetryMs: 2_000,
  /** How often a bridge's connections are tested, and what a connection or an answer may take. */
  bridgePingMs: 3_000,
  bridgeAnswerMs: 8_000,
  /** How often the bridge looks whether it has missed anything. */
  bridgeCheckMs: 180_000,
  /** How often connections are looked for whose health may have changed because time went by. */
  judgingPauseMs: 2_000,
  /** Pause between two sweeps of retention. */
  retentionPauseMs: 3_600_000,
  /** For how long retention does not believe that the database's clock has jumped. */
  retentionDoubtMs: 86_400_000,
  /** What `close()` may take before connections are cut. */
  shutdownMs: 8_000,
} as const;

/** The bounds of one app: the defaults, or what a test puts in their place. */
export type Limits = {
  readonly [K in keyof typeof defaultLimits]: (typeof defaultLimits)[K] extends number
    ? number
    : (typeof defaultLimits)[K] extends string
      ? string
      : { readonly [P in keyof (typeof defaultLimits)[K]]: number };
};
