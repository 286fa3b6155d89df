import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../src/config.ts';
import { nameOf } from '../../src/db/open-database.ts';
import { PostgresUrlError, readPostgresUrl } from '../../src/db/postgres-url.ts';

/** What is wrong with a URL; nothing when it can be used. */
function problemOf(url: string): string | undefined {
  try {
    readPostgresUrl(url);
    return undefined;
  } catch (error) {
    if (error instanceof PostgresUrlError) return error.message;
    throw error;
  }
}

describe('the URL of a Postgres', () => {
  test.each([
    [
      'postgresql://u:p@db.example:5433/log',
      { user: 'u', password: 'p', host: 'db.example', port: 5433, database: 'log' },
    ],
    ['postgres://db.example', { host: 'db.example', user: undefined, database: undefined }],
    ['postgresql://', { host: undefined, database: undefined }],
    ['postgresql:///log', { host: undefined, database: 'log' }],
    ['postgresql://u:p@/log?host=/var/run/postgresql', { host: '/var/run/postgresql', user: 'u', database: 'log' }],
    ['postgresql://%2Fvar%2Frun%2Fpostgresql:5433/log', { host: '/var/run/postgresql', port: 5433 }],
    ['postgresql://[2001:db8::1]:5433/log', { host: '2001:db8::1', port: 5433 }],
    ['postgresql://[fe80::1%25eth0]/log', { host: 'fe80::1%eth0' }],
    ['postgresql://[::1]/log', { host: '::1', port: undefined }],
    ['postgresql://a%40b:p%40s%2Fs%23%3F%25:w@h/log', { user: 'a@b', password: 'p@s/s#?%:w', host: 'h' }],
    ['postgresql://u:p@ss@h/log', { user: 'u', password: 'p@ss', host: 'h' }],
    ['postgresql://h/log%20book?user=u&password=a+b%26c', { database: 'log book', user: 'u', password: 'a+b&c' }],
    ['postgresql://h:1/d?host=other&port=2&dbname=log', { host: 'other', port: 2, database: 'log' }],
    ['postgresql://h/d?options=-c search_path=app', { options: '-c search_path=app' }],
    ['postgresql://h/d?options=-c%20search_path%3Dapp', { options: '-c search_path=app' }],
    ['postgresql://h/d?schema=app', { schema: 'app' }],
    [
      'postgresql://h/d?connect_timeout=7&application_name=log%20book',
      { connectTimeoutMs: 7_000, applicationName: 'log book' },
    ],
    ['postgresql://h/d?connect_timeout=0', { connectTimeoutMs: undefined }],
    ['postgresql://h/d?sslmode=require&channel_binding=require', { sslMode: 'require', channelBinding: true }],
    ['postgresql://h/d?channel_binding=disable&gssencmode=prefer', { channelBinding: false }],
    ['postgresql://h/d?ssl=true', { sslMode: 'require' }],
    ['postgresql://h/d?ssl=1', { sslMode: 'require' }],
    ['postgresql://h/d?ssl=0', { sslMode: 'disable' }],
    ['postgresql://h/d?ssl=false', { sslMode: 'disable' }],
    ['postgresql://h/d?ssl_min_protocol_version=TLSv1.3', { sslMinVersion: 'TLSv1.3' }],
    ['postgresql://h/d?sslrootcert=/ca.pem', { sslMode: 'verify-full', sslFiles: { root: '/ca.pem' } }],
    ['postgresql://h/d?pgbouncer=true&connection_limit=5&target_session_attrs=read-write', { host: 'h' }],
  ])('%s is read as libpq reads it', (url, read) => {
    expect(readPostgresUrl(url)).toMatchObject(read);
  });

  const unreadable = expect.stringContaining('in user and password, write % as %25');
  test.each([
    ['postgresql://u:p@h1,h2/d', expect.stringContaining('several hosts')],
    ['postgresql://u:p@h1:5432,h2:5433/d', expect.stringContaining('several hosts')],
    ['postgresql:///d?host=h1,h2', expect.stringContaining('several hosts')],
    ['postgresql://h/d?port=5432,5433', expect.stringContaining('several hosts')],
    ['postgresql://u:p%zz@h/d', unreadable],
    ['postgresql://u:secret/part@h/d', unreadable],
    ['postgresql://u:secret#part@h/d', unreadable],
    ['postgresql://u:12?secret@h/d', unreadable],
    ['postgresql://u:12?secret=x&more@h/d', unreadable],
    ['postgresql://h:99999/d', 'has a port that is not 1 to 65535'],
    ['postgresql://h/d?sslmod=require', 'has the parameter sslmod, which is unknown here'],
    ['postgresql://h/d?service=secret', 'has the parameter service, which is unknown here'],
    ['postgresql://h/d?sslmode=secret', expect.stringContaining('none of disable, allow, prefer')],
    ['postgresql://h/d?sslmode=Require', expect.stringContaining('none of disable, allow, prefer')],
    ['postgresql://h/d?ssl=TRUE', 'has ssl with a value that is none of true, 1, false, 0'],
    ['postgresql://h/d?ssl=yes', 'has ssl with a value that is none of true, 1, false, 0'],
    ['postgresql://h/d?ssl=secret&sslmode=require', 'has ssl with a value that is none of true, 1, false, 0'],
    ['postgresql://h/d?ssl=on&sslrootcert=/ca.pem', 'has ssl with a value that is none of true, 1, false, 0'],
    [
      'postgresql://h/d?channel_binding=Require',
      'has channel_binding with a value that is none of disable, prefer, require',
    ],
    ['postgresql://h/d?sslnegotiation=Direct', 'has sslnegotiation with a value that is none of postgres, direct'],
    ['postgresql://h/d?gssencmode=require', 'has gssencmode with a value that is none of disable, prefer'],
    ['postgresql://h/d?ssl_min_protocol_version=1.3', expect.stringContaining('none of TLSv1, TLSv1.1, TLSv1.2')],
    ['postgresql://h/d?schema=a%22b', expect.stringContaining('quotation mark')],
    ['postgresql://h/d?sslmode=verify-ca', expect.stringContaining('sslrootcert')],
    ['postgresql://h/d?connect_timeout=secret', expect.stringContaining('connect_timeout')],
  ])('%s is refused in words, which show no value', (url, words) => {
    expect(problemOf(url)).toEqual(words);
    expect(problemOf(url)).not.toContain('secret');
    for (const name of ['DATABASE_URL', 'DATABASE_DIRECT_URL'])
      expect(() => parseConfig({ DATABASE_URL: 'postgresql://h/d', [name]: url })).toThrow(`${name} ${problemOf(url)}`);
  });

  test.each(['Require', 'true', 'require\n', 'secret'])(
    'leaves encryption to PGSSLMODE only where that is no word like %j, for which pg encrypts nothing',
    (PGSSLMODE) => {
      const problem = 'PGSSLMODE must be one of disable, allow, prefer, require, verify-ca, verify-full';
      const both = { DATABASE_URL: 'postgresql://h/d?sslmode=require', DATABASE_DIRECT_URL: 'postgresql://h/d' };
      for (const urls of [both, { DATABASE_URL: 'postgresql://h/d' }])
        expect(() => parseConfig({ ...urls, PGSSLMODE })).toThrow(new ConfigError([problem]));
      for (const url of ['postgresql://h/d?sslmode=require', 'file:./x.db'])
        expect(parseConfig({ DATABASE_URL: url, PGSSLMODE })).toMatchObject({ databaseUrl: url });
      for (const good of ['', 'require', 'verify-full', 'no-verify'])
        expect(parseConfig({ DATABASE_URL: 'postgresql://h/d', PGSSLMODE: good })).toBeDefined();
    },
  );

  test('may have space around it, as what is read from a file has', () => {
    expect(parseConfig({ DATABASE_URL: ' postgresql://h/d\n' }).databaseUrl).toBe('postgresql://h/d');
  });

  test('is shown without what may be secret', () => {
    expect(nameOf('postgresql://u:p@/log?host=/var/run/postgresql&password=p')).toBe(
      'postgresql:///log?host=/var/run/postgresql',
    );
    expect(nameOf('postgresql://u:p@[::1]:5433/log?schema=app&sslmode=require')).toBe(
      'postgresql://[::1]:5433/log?schema=app',
    );
  });

  test('of DATABASE_DIRECT_URL goes with one of DATABASE_URL, and names the same schema', () => {
    const both = (url: string, direct: string) => () => parseConfig({ DATABASE_URL: url, DATABASE_DIRECT_URL: direct });
    expect(both('file:./x.db', 'postgresql://h/d')).toThrow(
      'DATABASE_DIRECT_URL is set, but DATABASE_URL names no Postgres',
    );
    expect(both('postgresql://p/d?schema=a', 'postgresql://h/d?schema=b')).toThrow(
      'DATABASE_DIRECT_URL must name the schema',
    );
    expect(both('postgresql://p/d?schema=a', 'postgresql://h/d')).toThrow('DATABASE_DIRECT_URL must name the schema');
    expect(both('postgresql://p/d?schema=a', 'postgresql://h/d?schema=a')().databaseDirectUrl).toContain('schema=a');
  });
});
