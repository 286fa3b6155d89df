import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../src/config.ts';
import { sqlitePath, sqliteUrl } from '../../src/db/sqlite-path.ts';

/** The lines of what is wrong with some settings. */
function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    parseConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  test('have safe defaults', () => {
    expect(parseConfig({})).toEqual({
      port: 4000,
      host: '127.0.0.1',
      databaseUrl: 'file:./data/synclog.db',
      databaseDirectUrl: undefined,
      keepAliveMs: 75_000,
      maxStreams: 10_000,
      redisUrl: undefined,
      retentionDays: 30,
      jwtSecret: undefined,
      jwks: undefined,
      openWearablesUrl: undefined,
      corsOrigins: [],
      trustedDocuments: undefined,
      trustedDocumentsFor: 'all',
      trustedProxies: [],
      cache: true,
      rateLimits: 1,
      metricsAccess: 'direct',
      loadShedding: true,
      userQuota: { events: 1_000_000, bytes: 1_000_000_000 },
      graphiql: true,
      introspection: true,
      userVisible: ['message'],
      sources: {},
      logLevel: 'info',
    });
  });

  test('count as unset when they are empty', () => {
    expect(parseConfig({ PORT: '', JWT_SECRET: '' })).toEqual(parseConfig({}));
  });

  test('lose the space around them, as a file that is mounted as a setting ends with a line break', () => {
    const settings = { DATABASE_URL: ' file:./a b/x.db\n', PORT: '4001\r\n', LOG_LEVEL: '\twarn' };
    expect(parseConfig(settings)).toMatchObject({ databaseUrl: 'file:./a b/x.db', port: 4001, logLevel: 'warn' });
    expect(parseConfig({ PORT: ' \n' }).port).toBe(4000);
  });

  test('lose the space around a secret that cannot have any', () => {
    const secret = `whsec_${'a'.repeat(32)}`;
    const { sources } = parseConfig({ OPEN_WEARABLES_WEBHOOK_SECRET: ` ${secret}\n` });
    expect(Object.values(sources)).toEqual([{ OPEN_WEARABLES_WEBHOOK_SECRET: secret }]);
  });

  test('take a webhook secret of 16 bytes, and say how long it must be where it is shorter', () => {
    const secretOf = (bytes: number) => `whsec_${Buffer.alloc(bytes, 'x').toString('base64')}`;
    for (const bytes of [16, 24, 75])
      expect(problemsOf({ OPEN_WEARABLES_WEBHOOK_SECRET: secretOf(bytes) }), String(bytes)).toEqual([]);
    for (const bytes of [15, 9, 1])
      expect(problemsOf({ OPEN_WEARABLES_WEBHOOK_SECRET: secretOf(bytes) }), String(bytes)).toEqual([
        expect.stringContaining('the base64 of 16 bytes or more'),
      ]);
  });

  test('keep the space around the secret of tokens, which is a part of it', () => {
    expect(parseConfig({ JWT_SECRET: 'a secret of enough letters\n' }).jwtSecret).toBe('a secret of enough letters\n');
  });

  test.each([
    ['file:/data/a%20b/x.db', '/data/a b/x.db'],
    ['file:/data/a b/x.db', '/data/a b/x.db'],
    ['file:///data/x.db', '/data/x.db'],
    ['file://localhost/data/x.db', '/data/x.db'],
    ['file://LOCALHOST/data/x.db', '/data/x.db'],
    ['FILE:/data/x.db', '/data/x.db'],
    ['file:x.db', 'x.db'],
    ['file:../data/x', '../data/x'],
    ['file:/data/100%25/%C3%A9%3F%23.db', '/data/100%/é?#.db'],
  ])('read %s as the path %s', (url, path) => {
    const { databaseUrl } = parseConfig({ DATABASE_URL: url });
    expect(sqlitePath(databaseUrl)).toBe(path);
    expect(sqlitePath(sqliteUrl(path))).toBe(path);
  });

  test.each([
    ['file:', 'names a folder'],
    ['file:///', 'names a folder'],
    ['file:/data/', 'names a folder'],
    ['file:.', 'names a folder'],
    ['file:/data/..', 'names a folder'],
    ['file://data/x.db', 'names a host, "data"'],
    ['file://127.0.0.1/data/x.db', 'names a host'],
    ['file:/data/x.db?mode=ro', 'has parameters'],
    ['file:x.db?', 'has parameters'],
    ['file:/data/x#1.db', 'has a #'],
    ['file:/data/100%/x.db', 'has a %'],
    ['file:/data/x.db%0A', 'has a line break'],
    ['file:/data\n/x.db', 'has a line break'],
    ['file:/data/%00.db', 'has a line break'],
    ['file::memory:', 'names memory'],
    ['file:%3Amemory%3A', 'names memory'],
    ['file:C:\\data\\x.db', 'is a path of Windows'],
    ['file:///C:/data/x.db', 'is a path of Windows'],
    ['file:data\\x.db', 'is a path of Windows'],
    ['file:~/x.db', 'begins with ~'],
    [`file:\${HOME}/x.db`, 'has a $ of a shell'],
    ['file:$HOME/x.db', 'has a $ of a shell'],
    ['postgresql:/x', 'must be a file: or postgresql: URL'],
    ['C:\\data\\x.db', 'must be a file: or postgresql: URL'],
    ['sqlite:./x.db', 'must be a file: or postgresql: URL'],
    ['sqlite:///data/x.db', 'must be a file: or postgresql: URL'],
    ['./data/x.db', 'must be a file: or postgresql: URL'],
    ['"file:./x.db"', 'must be a file: or postgresql: URL'],
  ])('refuse %j as a database, since it %s', (url, words) => {
    expect(problemsOf({ DATABASE_URL: url })).toEqual([expect.stringContaining(`DATABASE_URL ${words}`)]);
  });

  test('take origins as a JSON list or with commas between', () => {
    const origins = ['http://a.example', 'http://b.example'];
    expect(parseConfig({ CORS_ORIGINS: JSON.stringify(origins) }).corsOrigins).toEqual(origins);
    expect(parseConfig({ CORS_ORIGINS: 'http://a.example, http://b.example' }).corsOrigins).toEqual(origins);
  });

  test('report all mistakes together, each on one line that names the setting', () => {
    const problems = problemsOf({
      PORT: '70000',
      DATABASE_URL: 'mysql://nowhere',
      REDIS_URL: 'http://nowhere',
      RETENTION_DAYS: '0',
      JWT_SECRET: 'short',
      JWT_JWKS_URL: 'ftp://keys',
      CORS_ORIGINS: '[1]',
      OPEN_WEARABLES_REDIS_URL: 'localhost:6379',
      OPEN_WEARABLES_WEBHOOK_SECRET: 'whsec_',
      LOG_LEVEL: 'loud',
    });
    expect(problems.map((line) => line.split(' ', 1)[0]).sort()).toEqual([
      'CORS_ORIGINS',
      'DATABASE_URL',
      'JWT_AUDIENCE',
      'JWT_ISSUER',
      'JWT_JWKS_URL',
      'JWT_SECRET',
      'LOG_LEVEL',
      'OPEN_WEARABLES_REDIS_URL',
      'OPEN_WEARABLES_WEBHOOK_SECRET',
      'PORT',
      'REDIS_URL',
      'RETENTION_DAYS',
    ]);
    for (const line of problems) expect(line).not.toContain('\n');
  });

  test.each(['REDIS_URL', 'OPEN_WEARABLES_REDIS_URL'])('refuse a password in %s that cannot be decoded', (name) => {
    const problems = problemsOf({ [name]: 'redis://:s3cret100%@127.0.0.1:6379' });
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name} has a % .* write % as %25`))]);
    expect(problems.join()).not.toContain('s3cret');
    expect(problemsOf({ [name]: 'redis://:s3cret100%25@127.0.0.1:6379' })).toEqual([]);
    expect(problemsOf({ [name]: 'redis://a%E2:%82%AC@127.0.0.1:6379' })).toHaveLength(1); // only together they are UTF-8
  });

  describe.each(['REDIS_URL', 'OPEN_WEARABLES_REDIS_URL'])('refuse in %s', (name) => {
    test.each([
      ['a database that is no number', 'redis://:hush@h:6379/abc', 'must name the database by a number'],
      ['a negative database', 'redis://:hush@h:6379/-1', 'must name the database by a number'],
      [
        'a database beyond what Redis can count',
        'redis://:hush@h:6379/4294967296',
        'must name the database by a number',
      ],
      ['a broken number', 'redis://:hush@h:6379/1.5', 'must name the database by a number'],
      ['a path', 'rediss://:hush@h:6379/0/1', 'must name the database by a number'],
      ['a slash too many', 'redis://:hush@h:6379//1', 'must name the database by a number'],
      ['a space for a database', 'redis://:hush@h:6379/%20', 'must name the database by a number'],
      ['a database as a parameter that is none', 'redis://:hush@h:6379?db=abc', 'must name the database by a number'],
      [
        'an option of the client',
        'redis://:hush@h:6379/0?lazyConnect=true',
        'may have no parameters but db and family',
      ],
      ['a family that there is not', 'redis://:hush@h:6379/0?family=5', 'may have no parameters but db and family'],
      ['a fragment', 'redis://:hush@h:6379/0#1', 'has a #'],
      ['no host', 'redis:///0', 'must'],
      ['a user without a password', 'redis://hush@h:6379', 'names a user without a password'],
      ['another scheme', 'http://:hush@h:6379', 'must be a redis(s) URL'],
      ['several hosts', 'redis://:hush@h:6379,h2:6379', 'must be a redis(s) URL'],
      ['several hosts, but for their ports', 'redis://:hush@h,h2', 'names several hosts'],
      ['port 0', 'redis://:hush@h:0', 'has a port that is not 1 to 65535'],
      ['a database twice', 'redis://:hush@h/0?db=1', 'names a database twice'],
    ])('%s', (_, url, words) => {
      const problems = problemsOf({ [name]: url });
      expect(problems).toEqual([expect.stringContaining(`${name} ${words}`)]);
      expect(problems.join()).not.toContain('hush');
    });

    test.each([
      ['REDISS://user:pass@h', 'rediss://user:pass@h'],
      ['Rediss://user:pASS@h:6380/0', 'rediss://user:pASS@h:6380/0'],
      ['Redis://h', 'redis://h'],
    ])('not the scheme of %s in another case, for which the client would not encrypt', (url, read) => {
      const { redisUrl, sources } = parseConfig({ [name]: url });
      expect([redisUrl, ...Object.values(sources).map((source) => source.OPEN_WEARABLES_REDIS_URL)]).toContain(read);
    });

    test.each([
      'redis://h',
      'redis://h/',
      'redis://h:6379/15',
      'rediss://user:pass@h:6380/0',
      'redis://h:6379?db=3&family=6',
      'redis://[::1]:6379/0',
    ])('but not %s', (url) => {
      expect(problemsOf({ [name]: url })).toEqual([]);
    });
  });

  test.each(['foo', '*', 'https://app.example/path', 'ftp://app.example', 'https://*.example'])(
    'refuse the origin %s',
    (CORS_ORIGINS) => {
      expect(problemsOf({ CORS_ORIGINS })).toEqual([
        'CORS_ORIGINS must be a JSON list or a comma-separated list of origins, such as https://app.example',
      ]);
    },
  );

  test.each([
    ['[::1]', '::1'],
    ['::', '::'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['0.0.0.0', '0.0.0.0'],
    ['localhost', 'localhost'],
    ['my-host_1.example', 'my-host_1.example'],
  ])('read the host %s as %s', (HOST, host) => {
    expect(parseConfig({ HOST }).host).toBe(host);
  });

  test.each(['"127.0.0.1"', 'http://127.0.0.1', '0.0.0.0:4501', '[::1]:4501', '[127.0.0.1]', '*', 'a b', '::1/128'])(
    'refuse the host %s',
    (HOST) => {
      expect(problemsOf({ HOST })).toEqual([
        'HOST must be an address or a name of this machine without scheme and port, such as 127.0.0.1',
      ]);
    },
  );

  test.each(['-1', '65536', '80.5', 'http', '1e3'])('refuse the port %s', (PORT) => {
    expect(problemsOf({ PORT })).toEqual(['PORT must be a whole number, 0 to 65535']);
  });

  test.each([
    ['file:./data/synclog.db', 'redis://localhost'],
    ['postgresql://synclog@localhost/synclog', 'rediss://localhost:6380/1'],
    ['postgres://localhost/synclog?sslmode=require', 'redis://:secret@localhost'],
  ])('take the database %s and the Redis %s', (databaseUrl, redisUrl) => {
    expect(parseConfig({ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl })).toMatchObject({ databaseUrl, redisUrl });
  });

  test('trust no proxy but those that are named, one by one or in blocks', () => {
    const named = ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/128'];
    expect(parseConfig({ TRUSTED_PROXIES: named.join(', ') }).trustedProxies).toEqual(named);
    for (const TRUSTED_PROXIES of [
      'proxy.example',
      '10.0.0.0/33',
      '10.0.0.0/0',
      '::/129',
      '10.0.0.0/8/8',
      '10.0.0/8',
      '*',
    ])
      expect(problemsOf({ TRUSTED_PROXIES })).toEqual([
        'TRUSTED_PROXIES must be a JSON list or a comma-separated list of addresses and blocks of them, such as 10.0.0.0/8',
      ]);
  });

  test('keep events for 1 to 36,500 days', () => {
    for (const days of [1, 36_500])
      expect(parseConfig({ RETENTION_DAYS: String(days) })).toMatchObject({ retentionDays: days });
    for (const RETENTION_DAYS of ['0', '36501', '-1', '1.5'])
      expect(problemsOf({ RETENTION_DAYS })).toEqual(['RETENTION_DAYS must be a whole number, 1 to 36500']);
  });

  test('let a user have a socket with a stream on it, however few streams there may be', () => {
    expect(parseConfig({ MAX_STREAMS: '200' })).toMatchObject({ maxStreams: 200 });
    for (const MAX_STREAMS of ['1', '199'])
      expect(problemsOf({ MAX_STREAMS })).toEqual(['MAX_STREAMS must be a whole number, 200 to 10000000']);
  });

  test('never show a value, which may be a secret', () => {
    expect(problemsOf({ JWT_SECRET: 'hush-hush' }).join()).not.toContain('hush');
  });

  test.each([
    'PORT',
    'DATABASE_URL',
    'REDIS_URL',
    'RETENTION_DAYS',
    'JWT_SECRET',
    'JWT_JWKS_URL',
    'CORS_ORIGINS',
    'TRUSTED_PROXIES',
    'OPEN_WEARABLES_REDIS_URL',
    'OPEN_WEARABLES_WEBHOOK_SECRET',
    'LOG_LEVEL',
    'USER_VISIBLE',
  ])('do not repeat what was wrong with %s', (name) => {
    const besideJwks = name === 'JWT_JWKS_URL' ? { JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' } : {};
    const problems = problemsOf({ [name]: '[hush-hush', ...besideJwks });
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name} [^\\n]+$`))]);
    expect(problems.join()).not.toContain('hush');
  });

  test.each([
    'http://open-wearables.example',
    'https://127.0.0.1:8000/',
    'HTTPS://open-wearables.example/behind/a/proxy',
  ])('take %s as the base URL of Open Wearables', (url) => {
    expect(parseConfig({ OPEN_WEARABLES_URL: ` ${url}\n` }).openWearablesUrl).toBe(url);
  });

  test.each([
    ['open-wearables.example:8000', 'must be an http(s) URL'],
    ['ftp://open-wearables.example', 'must be an http(s) URL'],
    ['http://', 'must be an http(s) URL'],
    ['http://user:hush@open-wearables.example', 'must have no user, query and fragment'],
    ['http:\\\\hush@open-wearables.example', 'must be an http(s) URL'],
    ['http://open-wearables.example/?key=hush', 'must have no user, query and fragment'],
    ['http://open-wearables.example?', 'must have no user, query and fragment'],
    ['http://open-wearables.example/#', 'must have no user, query and fragment'],
  ])('refuse %s as the base URL of Open Wearables', (url, words) => {
    const problems = problemsOf({ OPEN_WEARABLES_URL: url });
    expect(problems).toEqual([expect.stringMatching(/^OPEN_WEARABLES_URL /)]);
    expect(problems[0]).toContain(words);
    expect(problems.join()).not.toContain('hush');
  });

  test('need an issuer and an audience beside a key set', () => {
    expect(problemsOf({ JWT_JWKS_URL: 'https://id.example/keys', JWT_ISSUER: 'https://id.example' })).toEqual([
      'JWT_AUDIENCE must be set when JWT_JWKS_URL is',
    ]);
  });

  test('refuse an issuer and an audience without a key set, as they would not be looked at', () => {
    expect(problemsOf({ JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'a', JWT_SECRET: 'x'.repeat(16) })).toEqual([
      'JWT_JWKS_URL must be set when JWT_ISSUER is',
    ]);
    expect(problemsOf({ JWT_AUDIENCE: 'a' })).toEqual([
      'JWT_JWKS_URL must be set when JWT_AUDIENCE is',
      'JWT_ISSUER must be set when JWT_AUDIENCE is',
    ]);
  });
});
