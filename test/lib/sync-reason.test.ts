import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { goodWords, reasonClasses, reasonRules } from '../../src/reasons/reason-rules.ts';
import { reasonOf, reasonOfWord, type SyncReason } from '../../src/reasons/sync-reason.ts';

/** An event of a sync that has failed, given by what is special about it. */
const failed = (event: { error?: string | null; status?: string; stage?: string; metadata?: unknown } = {}) => ({
  ...{ stage: 'failed', status: 'failed', error: null, metadata: {} },
  ...event,
});
const classOf = (error: string) => reasonOf(failed({ error }))?.class;

type Judgement = Pick<SyncReason, 'class' | 'retryable' | 'actor'>;
const reconnect: Judgement = { class: 'RECONNECT_NEEDED', retryable: false, actor: 'USER' };
const rateLimited: Judgement = { class: 'RATE_LIMITED', retryable: true, actor: 'WAIT' };
const providerDown: Judgement = { class: 'PROVIDER_DOWN', retryable: true, actor: 'WAIT' };
const timeout: Judgement = { class: 'TIMEOUT', retryable: true, actor: 'WAIT' };
const scopeDenied: Judgement = { class: 'SCOPE_DENIED', retryable: false, actor: 'USER' };
const invalidData: Judgement = { class: 'INVALID_DATA', retryable: false, actor: 'OPERATOR' };
const internal: Judgement = { class: 'INTERNAL', retryable: false, actor: 'OPERATOR' };
const other: Judgement = { class: 'OTHER', retryable: false, actor: 'OPERATOR' };

describe('a word of a producer', () => {
  /** Words of several platforms for the states of a pull, for connections, for failures of a pull and for what happens. */
  const checklist: [string, object | null][] = [
    ['success', null],
    ['failure', other],
    ['in_progress', null],
    ['scheduled', null],
    ['retrying', { class: 'OTHER', retryable: true, actor: 'WAIT' }],

    ['token_refresh_failed', reconnect],
    ['webhook_registration_failed', internal],
    ['user_not_found', reconnect],
    ['deregistered_per_provider', reconnect],
    ['required_scopes_not_granted', scopeDenied],
    ['provider_credential_error', reconnect],
    ['provider_password_expired', reconnect],
    ['unknown', other],

    ['provider_rate_limit_exceeded', rateLimited],
    ['provider_unavailable', providerDown],
    ['transport_failure', providerDown],
    ['resource_contention', { class: 'INTERNAL', retryable: true, actor: 'WAIT' }],
    ['non_retriable_error', other],
    ['unexpected_error', other],

    ['auth', null],
    ['deauth', reconnect],
    ['user_reauth', null],
    ['access_revoked', reconnect],
    ['connection_error', reconnect],
    ['permission_change', { class: 'OTHER', retryable: false, actor: 'USER' }],

    // Why Open Wearables revokes a connection.
    ['refresh_failed', reconnect],
    ['deregistration', reconnect],
    ['user_disconnected', reconnect],
    ['sdk_sign_out', reconnect],

    ['failed', other],
    ['invalid_grant', reconnect],
    ['insufficient_scope', scopeDenied],
    ['rate_limit_exceeded', rateLimited],
    ['rate_limited', rateLimited],
    ['timeout', timeout],
    ['time_out', timeout],
  ];

  test.each(checklist)('means what it says: %s', (word, judgement) => {
    expect(reasonOfWord(word)).toEqual(judgement && { ...judgement, text: word, event: null });
    if (judgement)
      expect(reasonOf(failed({ metadata: { error_code: word } }))).toMatchObject({ ...judgement, text: word });
  });

  test('is in this list if any rule knows it', () => {
    const known = reasonRules.flatMap(({ words = [] }) => words);
    expect(new Set(checklist.map(([word]) => word))).toEqual(new Set([...goodWords, ...known]));
    expect(new Set(known).size).toBe(known.length);
  });

  test('means the same in any case and with other marks between its parts', () => {
    for (const word of ['PROVIDER_UNAVAILABLE', 'provider-unavailable', ' Provider unavailable\n'])
      expect(reasonOfWord(word), word).toMatchObject(providerDown);
    expect(reasonOfWord('Success')).toBeNull();
  });

  test('is OTHER where nobody knows it, and nothing is guessed from its parts', () => {
    for (const word of [
      '',
      'partner_went_away',
      'provider_unavailable_soon',
      'reauth',
      'refresh',
      '999',
      'constructor',
    ])
      expect(reasonOfWord(word), word).toEqual({ ...other, text: word, event: null });
  });
});

describe('the text of an error', () => {
  const texts: [string, Judgement][] = [
    // What Open Wearables writes: exceptions as Python prints them, and words of its own.
    ['401: token refresh rejected', reconnect],
    ['401', reconnect],
    ['401: Garmin authorization expired. Please re-authorize.', reconnect],
    ["Client error '401 Unauthorized' for url 'https://api.example/v2/sleep'", reconnect],
    ['HTTPException 401', reconnect],
    ['HTTP 401', reconnect],
    ['HTTP/1.1 401 Unauthorized', reconnect],
    ['Request failed with status code 401', reconnect],
    ['status_code=401, body=', reconnect],
    ['(invalid_grant) Token has been expired or revoked.', reconnect],
    ['500: Failed to refresh token: invalid_grant', reconnect],
    ['Token refresh refused by provider', reconnect],
    ['The access token was revoked', reconnect],
    ['refresh_token is invalid', reconnect],
    ['Authorization has expired', reconnect],
    ['Please reauthenticate', reconnect],

    ['429 Too Many Requests', rateLimited],
    ['429: slow down', rateLimited],
    ["Client error '429 Too Many Requests' for url 'https://api.example'", rateLimited],
    ['too many requests', rateLimited],
    ['Rate limit exceeded, retry in 30 s', rateLimited],
    ['The rate limit has been reached', rateLimited],
    ['We are rate-limited', rateLimited],

    ['HTTPException 502', providerDown],
    ['502: upstream gateway error', providerDown],
    ['503 Service Unavailable', providerDown],
    ['Bad Gateway', providerDown],
    ['Service is temporarily unavailable', providerDown],
    ["Server error '500 Internal Server Error' for url 'https://api.example'", providerDown],
    ['[Errno 111] Connection refused', providerDown],
    ['Connection reset by peer', providerDown],
    ['connect ECONNREFUSED 10.0.0.1:443', providerDown],
    ['Server disconnected without sending a response.', providerDown],
    ['All connection attempts failed', providerDown],
    ['[Errno -3] Temporary failure in name resolution', providerDown],
    ['provider_unavailable: Oura', providerDown],
    ['Failed to refresh token: 503 Service Unavailable', providerDown],

    ['504 Gateway Timeout', timeout],
    ['408: Request Timeout', timeout],
    ['timeout', timeout],
    ['The read operation timed out', timeout],
    ['[Errno 110] Connection timed out', timeout],
    ['ReadTimeout', timeout],
    ['httpx.ConnectTimeout: ', timeout],
    ['TimeoutError()', timeout],
    ['SoftTimeLimitExceeded()', timeout],
    ['Timeout of 30 s', timeout],
    ['connect ETIMEDOUT', timeout],
    ['Deadline Exceeded', timeout],
    ['Failed to refresh token: request timed out', timeout],

    ['403 Forbidden', scopeDenied],
    ['HTTP error 403: scope', scopeDenied],
    ['Insufficient permissions', scopeDenied],
    ['missing required scope: daily', scopeDenied],
    ['required scopes were not granted', scopeDenied],

    ['Validation failed: Field required', invalidData],
    ['2 validation errors for SleepRecord', invalidData],
    ['No valid data found', invalidData],
    ['not well-formed (invalid token): line 4, column 17', invalidData],
    ['Invalid JSON', invalidData],
    ['JSONDecodeError: Extra data', invalidData],
    ['Expecting value: line 1 column 1 (char 0)', invalidData],

    ['Import failed: disk full', internal],
    ['[Errno 28] No space left on device', internal],
    ['[Errno 122] Disk quota exceeded', internal],
    ['ENOSPC: no space', internal],
    ['Out of memory', internal],
    ['MemoryError', internal],
    ['WorkerLostError: signal 9', internal],
    ['(psycopg.errors.UniqueViolation) IntegrityError', internal],
    ["'NoneType' object has no attribute 'id'", internal],
    ["[Errno 13] Permission denied: '/data/x'", internal],
    ['connection to database lost', { ...internal, retryable: true }],
    ['Connection refused by Redis at 127.0.0.1', { ...internal, retryable: true }],
    ['OperationalError', { ...internal, retryable: true }],
    ['timed out while waiting for the database', { ...internal, retryable: true }],

    ['All sync sub-tasks failed', other],
    ['404: exercise not found', other],
    ['500: Internal Server Error', other],
    ['boom', other],
    ['unknown', other],
  ];

  test.each(texts)('is judged by what it says: %s', (error, judgement) => {
    const event = failed({ error });
    expect(reasonOf(event)).toEqual({ ...judgement, text: error, event });
  });

  test('has an example here for every phrase and every status of every rule', () => {
    for (const { phrases = [], statuses = [], ...rule } of reasonRules) {
      const examples = texts.filter(([, { class: its }]) => its === rule.class).map(([text]) => text);
      for (const phrase of phrases)
        expect(
          examples.some((text) => new RegExp(`(?<!\\w)${phrase}(?!\\w)`, 'i').test(text)),
          phrase,
        ).toBe(true);
      for (const status of statuses) expect(examples.some((text) => text.includes(String(status)))).toBe(true);
    }
  });

  test.each([
    '4290 items',
    '429 items were dropped',
    '429, 430 and 431 items',
    'error at line 401',
    'line 401: unexpected character',
    '401 of 502 rows',
    '401:30 minutes left',
    '1401: too many columns',
    'HTTP 4019',
    'HTTP/2 502nd request',
    'status code 5031',
    'status 401 items',
    'order-429 Too many things',
    'v1.502 Bad luck',
    'user 403',
    'id=429',
    'a timeout of none',
    'Invalid value for timeout',
    'no rate limit exceeded',
    'was not rate limited',
    '0 validation errors',
    'the disk is fuller than ours',
    'lengthy no-space left on devices',
    'preauthorization expired',
    'unconnection refused',
    'in_progress',
    'auth',
    'the unknown error',
    'failure of the pump',
    'a database of heart rates',
  ])('is OTHER where it only looks like something: %s', (error) => {
    expect(classOf(error)).toBe('OTHER');
  });

  test('names no status by a number among other words', () => {
    const words = ['items', 'rows', 'at', 'line', 'of', 'user', 'batch', 'steps', 'record', 'with', 'port', 'day', '×'];
    const numbers = ['401', '403', '408', '429', '502', '503', '504', '4290', '14.29', '401,502', '#429', '-503'];
    const sentence = fc
      .array(fc.tuple(fc.constantFrom(...words), fc.constantFrom(...numbers)), { minLength: 1, maxLength: 6 })
      .map((pairs) => pairs.flat());
    fc.assert(
      fc.property(sentence, fc.boolean(), (parts, backwards) => {
        // A number alone, or before a colon, is a status; so the last or first of several words is a word or a number beside one.
        expect(classOf((backwards ? parts.toReversed() : parts).join(' '))).toBe('OTHER');
      }),
      { numRuns: 2_000 },
    );
  });

  const phrases = texts.filter(([, { class: its }]) => its !== 'OTHER');

  test('means the same in any case, and between other sentences', () => {
    const around = fc.constantFrom('', 'Sync of oura: ', 'while pulling (7 of 9 parts): ', '“', 'x\n');
    const free = phrases.filter(([text]) => !/^\d{3}\b(?! [A-Z])/.test(text) && text !== 'timeout');
    fc.assert(
      fc.property(fc.constantFrom(...free), around, fc.func(fc.boolean()), ([text, judgement], before, isUpper) => {
        const cased = [...text].map((letter, index) => (isUpper(index) ? letter.toUpperCase() : letter.toLowerCase()));
        expect(reasonOf(failed({ error: before + cased.join('') }))).toMatchObject(judgement);
      }),
      { numRuns: 2_000 },
    );
  });

  test('means nothing where its words are parts of longer ones', () => {
    fc.assert(
      fc.property(fc.constantFrom(...reasonRules), fc.nat(), fc.constantFrom('x', '7', '_'), (rule, index, letter) => {
        const [word] = (rule.words ?? []).filter((each) => each.includes('_')).slice(index % 8);
        if (word === undefined) return;
        expect(classOf(`oops ${letter}${word}`)).toBe('OTHER');
        expect(classOf(`oops ${word}${letter}`)).toBe('OTHER');
      }),
    );
  });

  test('takes no long time, however long and odd it is', () => {
    const long = 16_384;
    for (const part of [
      'HTTP ',
      ' ',
      'HTTP 401',
      'database ',
      'rate limit has been ',
      '401 ',
      'status ',
      'not ',
      '4',
      "'",
    ])
      for (const end of ['', 'x', ' 401x']) {
        const text = (part.repeat(long / part.length + 1) + end).slice(-long);
        const began = performance.now();
        reasonOf(failed({ error: text }));
        expect(performance.now() - began, part).toBeLessThan(500);
      }
  });
});

describe('an event', () => {
  test.each([
    { stage: 'started', status: 'in_progress' },
    { stage: 'completed', status: 'success' },
    { stage: 'completed', status: 'skipped' },
    { stage: 'cancelled', status: 'cancelled' },
    { stage: 'completed', status: 'SUCCESS', error: 'a remark: 401' },
    { stage: 'completed', status: 'newer_word' },
  ])('that has not failed has no reason: $stage, $status', (event) => {
    expect(reasonOf(failed(event))).toBeNull();
  });

  test.each([
    { stage: 'failed', status: 'failed' },
    { stage: 'FAILED', status: 'newer_word' },
    { stage: 'completed', status: 'partial' },
    { stage: 'fetching', status: 'unfinished' },
    { stage: 'fetching', status: 'Stale' },
  ])('that has failed, and does not say why, is OTHER without a text: $stage, $status', (told) => {
    const event = failed(told);
    expect(reasonOf(event)).toEqual({ ...other, text: null, event });
  });

  test('that is under way or was cancelled has a reason where it names an error', () => {
    const error = '429 Too Many Requests';
    for (const told of [
      { stage: 'fetching', status: 'in_progress', error },
      { stage: 'cancelled', status: 'cancelled', error },
      { stage: 'fetching', status: 'in_progress', metadata: { error } },
    ])
      expect(reasonOf(failed(told))).toMatchObject({ ...rateLimited, text: error });
    expect(reasonOf(failed({ stage: 'fetching', status: 'in_progress', error: ' ' }))).toBeNull();
  });

  test('of a pull is judged by the errors of its parts', () => {
    const part = (error?: string) => (error === undefined ? { success: true, saved: 3 } : { success: false, error });
    const pull = (workouts?: string, samples?: string) =>
      failed({
        error: 'All sync sub-tasks failed',
        metadata: { is_historical: false, params: { workouts: part(workouts), data_247: part(samples) } },
      });
    expect(reasonOf(pull('429 Too Many Requests', '404: not there'))).toMatchObject({
      ...rateLimited,
      text: '429 Too Many Requests',
    });
    expect(reasonOf(pull('429 Too Many Requests', '401: token refresh rejected'))).toMatchObject({
      ...reconnect,
      text: '401: token refresh rejected',
    });
    expect(reasonOf(pull('boom', 'bang'))).toMatchObject({ ...other, text: 'All sync sub-tasks failed' });
    const partial = {
      ...pull(undefined, '502: upstream gateway error'),
      stage: 'completed',
      status: 'partial',
      error: null,
    };
    expect(reasonOf(partial)).toMatchObject({ ...providerDown, text: '502: upstream gateway error' });
    expect(reasonOf({ ...partial, metadata: { params: { workouts: part('boom') } } })).toMatchObject({
      ...other,
      text: 'boom',
    });
  });

  test('of several parts is judged by what somebody has to do first, in whatever order they stand', () => {
    const examples = {
      RECONNECT_NEEDED: '401',
      SCOPE_DENIED: '403 Forbidden',
      RATE_LIMITED: '429 Too Many Requests',
      PROVIDER_DOWN: '502: bad',
      TIMEOUT: 'timed out',
      INTERNAL: 'disk full',
      INVALID_DATA: 'validation failed',
      OTHER: 'boom',
    };
    expect(reasonClasses).toEqual(Object.keys(examples));
    fc.assert(
      fc.property(fc.shuffledSubarray([...reasonClasses], { minLength: 1 }), (classes) => {
        const params = Object.fromEntries(classes.map((each, index) => [`part_${index}`, { error: examples[each] }]));
        expect(reasonOf(failed({ metadata: { params } }))?.class).toBe(
          reasonClasses.find((each) => classes.includes(each)),
        );
      }),
    );
  });

  test('is judged by its code first, then its error, then its parts, then a bare status', () => {
    const params = { workouts: { error: 'Validation failed: x' } };
    const metadata = { error_code: 'provider_unavailable', params, status_code: 429 };
    expect(reasonOf(failed({ error: '401', metadata }))).toMatchObject({ ...providerDown, text: '401' });
    expect(reasonOf(failed({ error: '401', metadata: { params, status_code: 429 } }))).toMatchObject(reconnect);
    expect(reasonOf(failed({ error: 'boom', metadata: { params, status_code: 429 } }))).toMatchObject({
      ...invalidData,
      text: 'Validation failed: x',
    });
    expect(reasonOf(failed({ error: 'boom', metadata: { status_code: 429 } }))).toMatchObject({
      ...rateLimited,
      text: 'boom',
    });
    expect(reasonOf(failed({ metadata: { status_code: '429' } }))).toMatchObject({ ...rateLimited, text: '429' });
    expect(reasonOf(failed({ metadata: { error: 'timed out' } }))).toMatchObject({ ...timeout, text: 'timed out' });
  });

  test('with a code that says nothing is judged by what says more', () => {
    const metadata = { error_code: 'non_retriable_error' };
    expect(reasonOf(failed({ error: 'Import failed: disk full', metadata }))).toMatchObject(internal);
    expect(reasonOf(failed({ error: 'boom', metadata: { error_code: 'retrying' } }))).toMatchObject({
      ...{ class: 'OTHER', retryable: true, actor: 'WAIT', text: 'boom' },
    });
  });

  test('of an SDK batch is not judged by its status, which is 400 whatever went wrong', () => {
    const metadata = { batch_id: 'b', status_code: 400 };
    expect(reasonOf(failed({ error: 'Import failed: disk full', metadata }))).toMatchObject(internal);
    expect(reasonOf(failed({ error: 'Import failed: boom', metadata }))).toMatchObject({
      ...other,
      text: 'Import failed: boom',
    });
  });

  test('of a revoked connection is judged by the reason', () => {
    expect(reasonOf(failed({ metadata: { reason: 'refresh_failed' } }))).toMatchObject({
      ...reconnect,
      text: 'refresh_failed',
    });
    expect(reasonOf(failed({ metadata: { reason: 'moved_away' } }))).toMatchObject({ ...other, text: null });
  });

  test('may have any metadata: it is judged, and it is the event of its reason', () => {
    const names = fc.constantFrom(
      'error_code',
      'error',
      'reason',
      'status_code',
      'params',
      'x',
      '__proto__',
      'constructor',
    );
    const metadata = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(names, fc.oneof(fc.jsonValue(), fc.constantFrom('401', 429))),
    );
    fc.assert(
      fc.property(metadata, fc.option(fc.string()), (metadata, error) => {
        const event = failed({ error, metadata });
        const reason = reasonOf(event);
        expect(reason?.event).toBe(event);
        expect(reasonClasses).toContain(reason?.class);
        if (error?.trim()) expect(reason?.text).toEqual(expect.any(String));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a text that is long', () => {
  const failed = { stage: 'FAILED', status: 'FAILED', metadata: {} };

  test('is understood by what stands at its begin, and at its end as in a trace', () => {
    const trace = 'x\n'.repeat(8_000);
    expect(reasonOf({ ...failed, error: `401 Unauthorized: ${trace}` })?.class).toBe('RECONNECT_NEEDED');
    expect(reasonOf({ ...failed, error: `${trace}httpx.ReadTimeout: timed out` })?.class).toBe('TIMEOUT');
  });

  test.each([
    ['of words that begin what a rule knows', 'database '.repeat(1_800)],
    ['of statuses that are none', 'HTTP status code 4 '.repeat(800)],
    ['of words that deny', 'never 0 no not without '.repeat(700)],
  ])('is looked at in its first and last part, whatever it is made of: %s', (_, error) => {
    const seen: number[] = [];
    const exec = RegExp.prototype.exec;
    const watch = vi.spyOn(RegExp.prototype, 'exec').mockImplementation(function (this: RegExp, text: string) {
      seen.push(text.length);
      return exec.call(this, text);
    });
    const params = Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`part${n}`, { error: error.slice(0, 300) }]),
    );
    reasonOf({ ...failed, error, metadata: { params } });
    watch.mockRestore();
    expect(Math.max(...seen)).toBeLessThanOrEqual(1_025);
  });

  test('is read once for an event, under however many names its reason is asked for', () => {
    const event = { ...failed, error: 'the database is down', metadata: {} };
    expect(reasonOf(event)).toEqual(reasonOf({ ...event }));
    expect(reasonOf(event)).toEqual(reasonOf(event));
  });
});
