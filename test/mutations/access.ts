import type { Area } from './fault.ts';

/** Who may see and take out what. */
export const access: Area = {
  name: 'access',
  tests: ['test/doors/export.test.ts'],
  faults: [
    {
      breaks: 'a user is told whose sync brought the data',
      file: 'src/graphql/hide-texts.ts',
      find: "viewer.kind === 'user' && id !== viewer.userId ? null : id",
      replace: "viewer.kind === 'anonymous' && id !== null ? null : id",
      tests: ['test/doors/hidden-texts.test.ts'],
    },
    {
      breaks: 'a scope for one user behind the name of an API narrows nothing',
      file: 'src/auth/token-scopes.ts',
      find: "parts.includes('sdk')",
      replace: "parts.join() === 'sdk'",
      tests: ['test/lib/jwt.test.ts'],
    },
    {
      breaks: 'a scope for one user in a claim that nobody thought of narrows nothing',
      file: 'src/auth/token-scopes.ts',
      find: 'if (words.some(hasSyncSelf))',
      replace: 'if (permits && words.some(hasSyncSelf))',
      tests: ['test/lib/jwt.test.ts'],
    },
    {
      breaks: 'a role for one user within another claim narrows nothing',
      file: 'src/auth/token-scopes.ts',
      find: 'permits: permits || isPermitting(name)',
      replace: 'permits: permits || (value === root && isPermitting(name))',
      tests: ['test/lib/jwt.test.ts'],
    },
    {
      breaks: 'the scopes of a token are read again for each request',
      file: 'src/auth/jwt.ts',
      find: 'isTimeFor(known.claims, clock()) ? known : null',
      replace: 'isTimeFor(known.claims, clock()) ? { ...known, scopes: scopesOfToken(known.claims) } : null',
      tests: ['test/lib/jwt.test.ts'],
    },
    {
      breaks: 'the erasure of a user leaves entries in quarantine',
      file: 'src/users/erase-user.ts',
      find: "isListed(database, sql`fingerprint`, told, 'text')",
      replace: "isListed(database, sql`fingerprint`, told.slice(1), 'text')",
      tests: ['test/nouns/users.test.ts'],
    },
    {
      breaks: 'what comes into quarantine while a user is erased stays there',
      file: 'src/users/erase-user.ts',
      find: 'const told = [...quarantined, ...come];',
      replace: 'const told = [...quarantined, ...come.slice(1)];',
      tests: ['test/nouns/users.test.ts'],
    },
    {
      breaks: 'the erasure of a user loses what is to be stored of another',
      file: 'src/users/quarantined-entries.ts',
      find: "(reason <> 'not_stored' AND (",
      replace: '(1 = 1 AND (',
      tests: ['test/nouns/users.test.ts'],
    },
    {
      breaks: 'an export leaves no line in the audit log',
      file: 'src/transports/rest/rest.ts',
      find: "if (viewer.kind === 'user') return;",
      replace: "if (viewer.kind !== 'anonymous') return;",
    },
    {
      breaks: 'a stream of server-sent events counts for an address of its own',
      file: 'src/gate/open-streams.ts',
      find: 'this.#open(client, left, undefined,',
      replace: 'this.#open({ ...client, address: String(Math.random()) }, left, undefined,',
      tests: ['test/doors/open-streams.test.ts'],
    },
    {
      breaks: 'a stream of server-sent events counts for a key of its own',
      file: 'src/gate/open-streams.ts',
      find: 'this.#open(client, left, undefined,',
      replace:
        "this.#open({ ...client, viewer: client.viewer.kind === 'service' ? { ...client.viewer, keyId: String(Math.random()) } : client.viewer }, left, undefined,",
      tests: ['test/doors/open-streams.test.ts'],
    },
    {
      breaks: 'exports of one credential have no bound of their own',
      file: 'src/gate/open-streams.ts',
      find: 'const place = this.#exports.take(client);',
      replace: 'const place = this.#counts.take(client);',
    },
    {
      breaks: 'an export that has ended counts as open',
      file: 'src/gate/open-streams.ts',
      find: "      life.signal.addEventListener('abort', place.leave);\n",
      replace: '',
    },
    {
      breaks: 'an export empties the bucket of its account',
      file: 'src/gate/rate-limits.ts',
      find: 'const SPARE_PART = 0.5;',
      replace: 'const SPARE_PART = 0;',
    },
    {
      breaks: 'a page of an export is as long as its lines make it',
      file: 'src/transports/rest/export/export-lines.ts',
      find: 'text.length + next.length > PAGE_LENGTH',
      replace: 'text.length > 100 * PAGE_LENGTH',
    },
    {
      breaks: 'of two keys in a connection_init payload the one that is not empty counts',
      file: 'src/auth/credentials.ts',
      find: "      .join(', '),",
      replace: "      .filter(Boolean)\n      .join(', '),",
      tests: ['test/doors/authenticate.test.ts'],
    },
    {
      breaks: 'a key that is encoded in a path is logged',
      file: 'src/transports/shown-path.ts',
      find: 'let decoded = raw;',
      replace: 'let decoded = raw.replaceAll(/%2D/g, "%2E");',
      tests: ['test/doors/request-log.test.ts'],
    },
  ],
};
