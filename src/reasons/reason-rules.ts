/** Why a sync did not succeed. A closed list; what no rule knows is `OTHER`, and nothing is guessed. */
export type ReasonClass =
  | 'RECONNECT_NEEDED'
  | 'RATE_LIMITED'
  | 'PROVIDER_DOWN'
  | 'TIMEOUT'
  | 'SCOPE_DENIED'
  | 'INVALID_DATA'
  | 'INTERNAL'
  | 'OTHER';

/** Who can do something about it: the person whose data it is, nobody but time, or who runs the platform. */
export type ReasonActor = 'USER' | 'WAIT' | 'OPERATOR';

/** What kind of reason it is, and what follows from that. */
export interface Judgement {
  readonly class: ReasonClass;
  /** May the same be tried again with a chance, though nobody has changed anything? */
  readonly retryable: boolean;
  readonly actor: ReasonActor;
}

/** Words and codes with one meaning. A rule has at least one way to be recognized. */
export interface Rule extends Judgement {
  /** Codes of producers, in lower case. In a text only those of several words count. */
  readonly words?: readonly string[];
  /** Status codes of HTTP. */
  readonly statuses?: readonly number[];
  /** What a text says somewhere, in any case, from one boundary of words to another. */
  readonly phrases?: readonly string[];
}

const reconnect = { class: 'RECONNECT_NEEDED', retryable: false, actor: 'USER' } as const;
const rateLimited = { class: 'RATE_LIMITED', retryable: true, actor: 'WAIT' } as const;
const providerDown = { class: 'PROVIDER_DOWN', retryable: true, actor: 'WAIT' } as const;
const timeout = { class: 'TIMEOUT', retryable: true, actor: 'WAIT' } as const;
const scopeDenied = { class: 'SCOPE_DENIED', retryable: false, actor: 'USER' } as const;
const invalidData = { class: 'INVALID_DATA', retryable: false, actor: 'OPERATOR' } as const;
const internal = { class: 'INTERNAL', retryable: false, actor: 'OPERATOR' } as const;
const other = { class: 'OTHER', retryable: false, actor: 'OPERATOR' } as const;

/** What a platform itself keeps things in, and how errors say that one of these has failed. */
const store = '(?:database|postgres(?:ql)?|redis)';
const gone = '(?:lost|refused|closed|reset by peer|unavailable|is down|locked|terminated|timed out)';

/**
 * All rules. Where a text fits several, the first counts: a status says more than the words around it, a store of the
 * platform's own is not the provider, and a refresh of a token that met an outage is an outage.
 */
export const reasonRules: readonly Rule[] = [
  { ...reconnect, statuses: [401] },
  { ...rateLimited, statuses: [429] },
  { ...timeout, statuses: [408, 504] },
  { ...providerDown, statuses: [502, 503] },
  { ...scopeDenied, statuses: [403] },
  {
    ...internal,
    phrases: [
      'disk (?:is )?full',
      'no space left on device',
      'disk quota exceeded',
      'ENOSPC',
      'out of memory',
      'MemoryError',
      'WorkerLostError',
      'IntegrityError',
      "'NoneType' object",
      'Errno 13',
    ],
  },
  {
    ...{ ...internal, retryable: true },
    phrases: [`${store}\\b[^\\n]{0,80}\\b${gone}`, `${gone}\\b[^\\n]{0,40}\\b${store}`, 'OperationalError'],
  },
  { ...internal, retryable: true, actor: 'WAIT', words: ['resource_contention'] },
  { ...internal, words: ['webhook_registration_failed'] },
  {
    ...timeout,
    phrases: [
      'timed[ -]?out',
      '(?:read|write|connect|connection|request|response|gateway|pool|socket|operation)[ -]?time-?out',
      '(?:read|write|connect|pool)?timeout(?:error|exception)',
      '(?:soft)?timelimitexceeded(?:error)?',
      'time-?out (?:after|exceeded|expired|of \\d+|reached|waiting|while)',
      'ETIMEDOUT',
      'deadline exceeded',
    ],
    words: ['timeout', 'time_out'],
  },
  {
    ...rateLimited,
    phrases: [
      'too many requests',
      'rate[ -]?limit(?:s|ing)?(?: has| was| is| been)* (?:exceeded|hit|reached)',
      'rate[ -]limited',
    ],
    words: ['provider_rate_limit_exceeded', 'rate_limit_exceeded', 'rate_limited'],
  },
  {
    ...providerDown,
    phrases: [
      'bad gateway',
      'service (?:is )?(?:currently |temporarily )?unavailable',
      "server error '5\\d\\d",
      'connection (?:was )?(?:refused|reset|aborted)',
      'ECONN(?:REFUSED|RESET|ABORTED)',
      'server disconnected',
      'all connection attempts failed',
      'temporary failure in name resolution',
    ],
    words: ['provider_unavailable', 'transport_failure'],
  },
  {
    ...scopeDenied,
    phrases: [
      'insufficient[ _](?:oauth )?(?:scopes?|permissions?)',
      'missing (?:required )?(?:oauth )?(?:scopes?|permissions?)',
      'required (?:scopes?|permissions?)(?: was| were| is| are| has| have| been)* not granted',
    ],
    words: ['required_scopes_not_granted', 'insufficient_scope'],
  },
  {
    ...reconnect,
    phrases: [
      'token refresh (?:was )?(?:rejected|refused|denied)',
      '(?:refresh|access)[ _]token(?: is| was| has| been)* (?:expired|invalid|revoked)',
      'authori[sz]ation (?:has )?(?:expired|been revoked)',
      're-?(?:authori[sz]e|authenticate)',
    ],
    words: [
      // Why Open Wearables revokes a connection.
      ...['refresh_failed', 'deregistration', 'user_disconnected', 'sdk_sign_out'],
      ...['token_refresh_failed', 'user_not_found', 'deregistered_per_provider'],
      ...['provider_credential_error', 'provider_password_expired', 'invalid_grant'],
      // `connection_error` is told of a provider that answers 401, 403 or 412.
      ...['deauth', 'access_revoked', 'connection_error'],
    ],
  },
  {
    ...invalidData,
    phrases: [
      'validation (?:failed|errors?)',
      'no valid data found',
      'not well-formed',
      '(?:invalid|malformed) (?:json|xml|payload)',
      'JSONDecodeError',
      'expecting value: line',
    ],
  },
  // The user has changed what may be read; whether to less, the word does not say.
  { ...other, actor: 'USER', words: ['permission_change'] },
  { ...other, retryable: true, actor: 'WAIT', words: ['retrying'] },
  { ...other, words: ['failure', 'failed', 'unknown', 'non_retriable_error', 'unexpected_error'] },
];

/** What follows from a class where nobody says more. */
export const judgementOfClass: Readonly<Record<ReasonClass, Judgement>> = {
  RECONNECT_NEEDED: reconnect,
  RATE_LIMITED: rateLimited,
  PROVIDER_DOWN: providerDown,
  TIMEOUT: timeout,
  SCOPE_DENIED: scopeDenied,
  INVALID_DATA: invalidData,
  INTERNAL: internal,
  OTHER: other,
};

export const reasonActors: readonly ReasonActor[] = ['USER', 'WAIT', 'OPERATOR'];

/** What says that nothing is wrong: the states of a sync, and the beginnings of a connection. */
export const goodWords: ReadonlySet<string> = new Set(['success', 'in_progress', 'scheduled', 'auth', 'user_reauth']);

/** Which come first where parts of a sync have failed for different reasons: what somebody has to do before the rest. */
export const reasonClasses: readonly ReasonClass[] = [
  'RECONNECT_NEEDED',
  'SCOPE_DENIED',
  'RATE_LIMITED',
  'PROVIDER_DOWN',
  'TIMEOUT',
  'INTERNAL',
  'INVALID_DATA',
  'OTHER',
];
