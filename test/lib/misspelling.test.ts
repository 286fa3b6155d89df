import { expect, test } from 'vitest';
import { doubtsAbout } from '../../src/settings/doubtful-names.ts';

const doubts = (environment: Record<string, string>) => doubtsAbout(environment).join('\n');

test.each([
  ['PORTT', 'PORT'],
  ['PROT', 'PORT'],
  ['PRT', 'PORT'],
  ['port', 'PORT'],
  ['SYNCLOG_PORT', 'PORT'],
  ['HSOT', 'HOST'],
  ['DATABSE_URL', 'DATABASE_URL'],
  ['DATABASEURL', 'DATABASE_URL'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['SYNCLOG_DATABASE_URL', 'DATABASE_URL'],
  ['SYNCLOG_DATABSE_URL', 'DATABASE_URL'],
  ['REDIS_URLS', 'REDIS_URL'],
  ['RETENTION_DAY', 'RETENTION_DAYS'],
  ['RENTENTION_DAYS', 'RETENTION_DAYS'],
  ['JWT_SECERT', 'JWT_SECRET'],
  ['JWT_AUDIANCE', 'JWT_AUDIENCE'],
  ['CORS_ORIGIN', 'CORS_ORIGINS'],
  ['CAHCE', 'CACHE'],
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['LOG-LEVEL', 'LOG_LEVEL'],
  ['OPEN_WEARABLES_WEBHOOK_SECRETS', 'OPEN_WEARABLES_WEBHOOK_SECRET'],
  ['DATABASE_URL_FILE', 'DATABASE_URL'],
  ['JWT_SECRET_FILE', 'JWT_SECRET'],
  ['DB_URL', 'DATABASE_URL'],
  ['DIRECT_URL', 'DATABASE_DIRECT_URL'],
  ['JWKS_URL', 'JWT_JWKS_URL'],
  ['CORS_ALLOWED_ORIGINS', 'CORS_ORIGINS'],
  ['KEEP_ALIVE', 'KEEP_ALIVE_SECONDS'],
  ['OW_REDIS_URL', 'OPEN_WEARABLES_REDIS_URL'],
  ['OW_WEBHOOK_SECRET', 'OPEN_WEARABLES_WEBHOOK_SECRET'],
  ['OPENWEARABLES_REDIS_URL', 'OPEN_WEARABLES_REDIS_URL'],
])('%s is likely meant to be %s', (name, setting) => {
  expect(doubts({ [name]: 'x' })).toBe(`${name} is no setting, so it counts for nothing. Did you mean ${setting}?`);
});

test.each(
  [
    ...['PATH', 'HOME', 'HOSTNAME', 'HOSTTYPE', 'POST', 'SHELL', 'LOGNAME', 'LANG', 'PWD', 'USER', 'TERM', 'NODE_ENV'],
    ...[
      'CCACHE',
      'CACHE_DIR',
      'XDG_CACHE_HOME',
      'HTTP_PROXY',
      'PGHOST',
      'PGPORT',
      'PGPASSWORD',
      'DB_HOST',
      'SMTP_PORT',
    ],
    ...['REDIS_HOST', 'REDIS_PORT', 'REDIS_TLS_URL', 'POSTGRES_URL', 'JWT_TOKEN', 'OPEN_WEARABLES_API_KEY', 'SSH_TTY'],
    ...['SYNCLOG_HOME', 'SYNCLOG_SERVICE_HOST', 'SYNCLOG_SERVICE_PORT', 'npm_config_cache', 'npm_package_version'],
  ].map((name) => [name]),
)('%s belongs to somebody else', (name) => {
  expect(doubts({ [name]: 'x' })).toBe('');
});

test('nothing is said of what Kubernetes tells of a service, nor of an empty value', () => {
  expect(doubts({ SYNCLOG_PORT: 'tcp://10.0.0.1:4000' })).toBe('');
  expect(doubts({ PORTT: '' })).toBe('');
});
