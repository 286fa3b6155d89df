import { createPublicKey, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import type { Scope } from '../../src/auth/viewer.ts';
import { defaultLimits } from '../../src/limits.ts';
import { ask, type Door, doors, type HeaderLine, type Outcome } from '../support/doors.ts';
import { forge, hmac, rsa, strangersKey, unsigned } from '../support/forged-tokens.ts';
import {
  claimsWith,
  type IdentityProvider,
  secondsFromNow,
  signWithSecret,
  startIdentityProvider,
} from '../support/identity-provider.ts';
import { jwtSecret, startServer, type TestServer } from '../support/server.ts';

/** Credentials that are forged, over, or not what they seem, at every door. */

let server: TestServer;
let issuer: IdentityProvider;
const statements: string[] = [];

beforeAll(async () => {
  issuer = await startIdentityProvider();
  server = await startServer({
    settings: issuer.settings,
    onStatement: ({ sql }) => statements.push(sql),
  });
});
afterAll(async () => {
  await server.close();
  await issuer.close();
});

const bearer = (token: string): HeaderLine => ['Authorization', `Bearer ${token}`];
const apiKey = (key: string): HeaderLine => ['X-API-Key', key];
const madeUpKey = () => `sk-${randomBytes(32).toString('hex')}`;

/** A key that was good, and is no more. */
async function deadKey(what: 'revoked' | 'expired'): Promise<string> {
  const { database } = server.app.services;
  const scopes: Scope[] = ['read', 'write', 'admin'];
  if (what === 'revoked') {
    const { key, secret } = await server.app.services.keys.create({ name: what, scopes, expiresAt: null });
    await server.app.services.keys.revoke(key.id);
    return secret;
  }
  const earlier = Date.now() - 3_600_000;
  const keys = new ApiKeys({ database, limits: defaultLimits, clock: () => earlier });
  return (await keys.create({ name: what, scopes, expiresAt: new Date(earlier + 1_000) })).secret;
}

const liveKey = async () => (await server.key('read', 'write', 'admin'))['x-api-key'] ?? '';
const goodToken = () => signWithSecret(jwtSecret, claimsWith());

/** Of the issuer, with a header of the test's choice, signed by somebody else. */
function strangers(header: object | ((stranger: ReturnType<typeof strangersKey>) => object)): string {
  const stranger = strangersKey();
  const { issuer: iss, audience: aud } = issuer.jwks;
  const given = typeof header === 'function' ? header(stranger) : header;
  return forge({ alg: 'RS256', kid: 'RS256', ...given }, claimsWith({ iss, aud }), rsa(stranger.privateKey));
}

/** Signed by nobody or by a secret that is not ours. */
const headersOfOthers: Readonly<Record<string, object>> = {
  ...Object.fromEntries(
    [
      'none',
      'None',
      'NONE',
      'nOnE',
      'none ',
      ' none',
      '',
      'null',
      'HS256 ',
      'hs256',
      'RS256\0',
      'HS1',
      'HS512',
      'dir',
      'EdDSA',
      'PS256',
    ].map((alg) => [`of the algorithm "${alg}"`, { alg }]),
  ),
  'without an algorithm': {},
  'of an algorithm that is null': { alg: null },
  'of algorithms in a list': { alg: ['none', 'HS256'] },
  'of an algorithm that is an object': { alg: { toString: 'none' } },
  'with a kid that is a path': { alg: 'HS256', kid: '../../../../../../dev/null' },
  'with a kid that is SQL': { alg: 'HS256', kid: "x' UNION SELECT '' -- " },
  'with a kid that is a URL': { alg: 'HS256', kid: 'http://127.0.0.1:1/key' },
  'with a kid that is a command': { alg: 'HS256', kid: '|cat /etc/passwd' },
};

const madeWithOurSecret: Readonly<Record<string, () => object | string>> = {
  'without exp': () => claimsWith({ exp: undefined }),
  'with an exp that is a text': () => claimsWith({ exp: String(secondsFromNow(60)) }),
  'with an exp that is a list': () => claimsWith({ exp: [secondsFromNow(60)] }),
  'with an exp that is null': () => claimsWith({ exp: null }),
  'with an exp that is true': () => claimsWith({ exp: true }),
  'with an exp below zero': () => claimsWith({ exp: -1 }),
  'with an exp between two seconds that are over': () => claimsWith({ exp: secondsFromNow(-1) + 0.5 }),
  'with an exp in milliseconds': () => claimsWith({ exp: Date.now() + 60_000 }),
  'with an exp that no double holds': () => `{"sub":"dev-1","exp":1e400}`,
  'with an exp in the past': () => claimsWith({ exp: secondsFromNow(-1) }),
  'with an nbf to come': () => claimsWith({ nbf: secondsFromNow(60) }),
  'with an nbf that is a text': () => claimsWith({ nbf: '0' }),
  'with an nbf below zero': () => claimsWith({ nbf: -1 }),
  'with an iat that is a text': () => claimsWith({ iat: 'now' }),
  'with an iat in milliseconds': () => claimsWith({ iat: Date.now() }),
  'with an iat below zero': () => claimsWith({ iat: -0.5 }),
  'with a sub that is a list': () => claimsWith({ sub: ['dev-1'] }),
  'with a sub that is an object': () => claimsWith({ sub: { id: 'dev-1' } }),
  'without a sub': () => claimsWith({ sub: undefined }),
  'of a user whose id ends with a NUL': () => claimsWith({ scope: 'sync:self', sub: `${randomUUID()}\0` }),
  'of a user whose id has blanks around it': () => claimsWith({ scope: 'sync:self', sub: ` ${randomUUID()} ` }),
  'of a user whose id has braces': () => claimsWith({ scope: 'sync:self', sub: `{${randomUUID()}}` }),
  'of a user whose id has letters of another script': () =>
    claimsWith({ scope: 'sync:self', sub: randomUUID().replace(/^./, 'а') }),
  'of two users': () => claimsWith({ scope: 'sync:self', sub: `${randomUUID()},${randomUUID()}` }),
  'of any user': () => claimsWith({ scope: 'sync:self', sub: '*' }),
  'for another audience': () => claimsWith({ aud: 'somebody else' }),
  'for an audience that is a list of ours': () => claimsWith({ aud: [issuer.jwks.audience] }),
  'for an audience that is empty': () => claimsWith({ aud: '' }),
  'for an empty list of audiences': () => claimsWith({ aud: [] }),
  'for an audience that is null': () => claimsWith({ aud: null }),
  'with a scope that is an object': () => claimsWith({ scope: { admin: true } }),
  'whose claims have sub twice': () => `{"sub":"dev-1","sub":"dev-2","exp":${secondsFromNow(60)}}`,
  'whose claims have scope twice, the narrow one first': () =>
    `{"sub":"dev-1","exp":${secondsFromNow(60)},"scope":"sync:self","scope":"admin"}`,
  'whose claims have exp twice': () => `{"sub":"dev-1","exp":1,"exp":${secondsFromNow(60)}}`,
  'whose claims are of a prototype': () => `{"__proto__":{"sub":"dev-1","exp":${secondsFromNow(60)},"scope":"admin"}}`,
  'whose claims are a list': () => `[{"sub":"dev-1","exp":${secondsFromNow(60)}}]`,
  'whose claims are null': () => 'null',
  'whose claims are a text': () => '"dev-1"',
  'whose claims are no JSON': () => '{"sub":"dev-1"',
  'whose claims are another token': () => forge({ alg: 'HS256' }, claimsWith(), hmac(jwtSecret)),
  'whose claims are nested 3,000 deep': () => `{"sub":"dev-1","exp":1,"deep":${'['.repeat(3_000)}${']'.repeat(3_000)}}`,
};

/** Tokens of ours that were changed on the way. */
const changed: Readonly<Record<string, (parts: readonly [string, string, string]) => string>> = {
  'without its signature': ([header, claims]) => `${header}.${claims}.`,
  'without its signature and dot': ([header, claims]) => `${header}.${claims}`,
  'without its claims': ([header, , signature]) => `${header}..${signature}`,
  'with half of its signature': ([header, claims, signature]) => `${header}.${claims}.${signature.slice(0, 20)}`,
  'with a signature that is padded': ([header, claims, signature]) => `${header}.${claims}.${signature}=`,
  'with a signature that goes on': ([header, claims, signature]) => `${header}.${claims}.${signature}AA`,
  'with a signature that ends otherwise and says the same': ([header, claims, signature]) => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = letters[letters.indexOf(signature.slice(-1)) ^ 1]; // 43 letters are two bits more than a digest
    return `${header}.${claims}.${signature.slice(0, -1)}${last}`;
  },
  'with a signature of percent signs': ([header, claims]) => `${header}.${claims}.%00%00`,
  'with parts in another order': ([header, claims, signature]) => `${claims}.${header}.${signature}`,
  'with a fourth part': ([header, claims, signature]) => `${header}.${claims}.${signature}.${signature}`,
  'with two parts more, as if encrypted': ([header, claims, signature]) => `${header}..${claims}.${signature}.AAAA`,
  'with a padded header': ([header, claims, signature]) => `${header}=.${claims}.${signature}`,
  'in capital letters': (parts) => parts.join('.').toUpperCase(),
  'joined to itself': (parts) => parts.join('.') + parts.join('.'),
  'after itself': (parts) => `${parts.join('.')} ${parts.join('.')}`,
  'beside itself': (parts) => `${parts.join('.')},${parts.join('.')}`,
  'in quotes': (parts) => `"${parts.join('.')}"`,
  'after the scheme once more': (parts) => `Bearer ${parts.join('.')}`,
  'as a parameter': (parts) => `token=${parts.join('.')}`,
};

/** Everything that is a bearer token to whoever sends it. */
async function bearers(): Promise<Credentials> {
  const token = await goodToken();
  const live = await liveKey();
  const [header = '', claims = '', signature = ''] = token.split('.');
  const other = await signWithSecret(jwtSecret, claimsWith({ sub: 'dev-2' }));
  const publicPem = createPublicKey({ key: { ...issuer.publicKeys[0] }, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  });
  const ofIssuer = claimsWith({ iss: issuer.jwks.issuer, aud: issuer.jwks.audience });
  const tokens: Record<string, string> = {
    'that is a word': 'broken',
    'that is empty': '',
    'that is a dot': '.',
    'that is two dots': '..',
    ...Object.fromEntries(
      Object.entries(headersOfOthers).map(([name, given]) => [
        `${name}, signed by nobody`,
        forge(given, claimsWith(), 'kid' in given ? hmac('') : unsigned),
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(madeWithOurSecret).map(([name, given]) => [
        name,
        forge({ alg: 'HS256' }, given(), hmac(jwtSecret)),
      ]),
    ),
    ...Object.fromEntries(Object.entries(changed).map(([name, change]) => [name, change([header, claims, signature])])),
    'with the signature of another token': `${header}.${claims}.${other.split('.')[2]}`,
    'with the claims of another token': `${header}.${other.split('.')[1]}.${signature}`,
    'of our secret and another length of digest': forge({ alg: 'HS256' }, claimsWith(), hmac(jwtSecret, 512)),
    'of our secret that says HS512': forge({ alg: 'HS512' }, claimsWith(), hmac(jwtSecret, 512)),
    'of our secret that says RS256': forge({ alg: 'RS256', kid: 'RS256' }, ofIssuer, hmac(jwtSecret)),
    'of the public key as a secret': forge({ alg: 'HS256', kid: 'RS256' }, ofIssuer, hmac(publicPem as string)),
    'of the public key as a secret, in one line': forge(
      { alg: 'HS256' },
      claimsWith(),
      hmac(JSON.stringify(issuer.publicKeys[0])),
    ),
    'of our secret with an extension that must be understood': forge(
      { alg: 'HS256', crit: ['nobody'], nobody: true },
      claimsWith(),
      hmac(jwtSecret),
    ),
    'of our secret with extensions that are none': forge({ alg: 'HS256', crit: [] }, claimsWith(), hmac(jwtSecret)),
    'of our secret whose claims are not encoded': forge(
      { alg: 'HS256', b64: false, crit: ['b64'] },
      claimsWith(),
      hmac(jwtSecret),
    ),
    'of our secret whose header has the algorithm twice': forge(
      '{"alg":"none","alg":"HS256"}',
      claimsWith(),
      hmac(jwtSecret),
    ),
    'of our secret whose header is of a prototype': forge(
      '{"__proto__":{"alg":"HS256"}}',
      claimsWith(),
      hmac(jwtSecret),
    ),
    'of a stranger who brings the key': strangers(({ publicJwk }) => ({ jwk: publicJwk })),
    'of a stranger who says where the key is': strangers({ jku: issuer.jwks.url.replace('jwks', 'others') }),
    'of a stranger who says where the certificate is': strangers({ x5u: issuer.jwks.url }),
    'of a stranger who brings a certificate': strangers({ x5c: ['MIIB'] }),
    'of a stranger under the name of a path': strangers({ kid: '../RS256' }),
    'of a stranger under no name': strangers({ kid: undefined }),
    'of the issuer for another audience': await issuer.sign('RS256', claimsWith({ aud: 'somebody else' })),
    'of the issuer for nobody': await issuer.sign('RS256', claimsWith({ aud: [] })),
    'of the issuer for an empty audience': await issuer.sign('ES256', { ...claimsWith(), aud: '' }),
    'of the issuer for a prefix of the audience': await issuer.sign('ES256', { ...claimsWith(), aud: 'sync' }),
    'of the issuer under another name': await issuer.sign('ES256', { ...claimsWith(), iss: 'https://id.example/' }),
    'of the issuer under names in a list': await issuer.sign('RS256', { ...claimsWith(), iss: [issuer.jwks.issuer] }),
    'of the issuer under the name of another key': await issuer.sign('RS256', claimsWith(), 'ES256'),
    'of the issuer, which is over': await issuer.sign('ES256', claimsWith({ exp: secondsFromNow(-1) })),
    'that is encrypted': `${Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString('base64url')}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA`,
    'of 12,000 characters': `${header}.${claims}.${'A'.repeat(12_000)}`,
    'of 12,000 dots': '.'.repeat(12_000),
    'that is a key nobody made': madeUpKey(),
    'that is a revoked key': await deadKey('revoked'),
    'that is an expired key': await deadKey('expired'),
    'that is a good key and another letter': `${live}0`,
    'that is a good key in capital letters': live.toUpperCase().replace('SK-', 'sk-'),
    'that is half a good key': live.slice(0, 20),
  };
  const lines = Object.entries(tokens).map(([name, each]): Credentials[number] => [name, [bearer(each)]]);
  return [
    ...lines,
    ['that is not there', [['Authorization', 'Bearer']]],
    ['behind a tab', [['Authorization', `Bearer\t${token}`]]],
    ['behind a space that is none', [['Authorization', `Bearer\u00a0${token}`]]],
    ['beside a letter of Latin-1', [['Authorization', `Bearer ${token}\u00e9`]]],
    ['in two headers', [bearer(token), bearer(token)]],
    ['in two headers, of which the second is good', [bearer('broken'), bearer(token)]],
    ['in two headers, of which the first is good', [bearer(token), bearer('broken')]],
    ['in two headers, of which the second is empty', [bearer(token), ['Authorization', '']]],
    ['before another scheme', [bearer(token), ['Authorization', 'Basic dXNlcjpwYXNz']]],
  ];
}

/** Everything that is an API key to whoever sends it. */
async function keys(): Promise<Credentials> {
  const live = await liveKey();
  const token = await goodToken();
  const texts: Record<string, string> = {
    'that nobody made': madeUpKey(),
    'that is a word': 'broken',
    'that is revoked': await deadKey('revoked'),
    'that is expired': await deadKey('expired'),
    'that begins like a good one': live.slice(0, -4) + (live.endsWith('0000') ? '1111' : '0000'),
    'that is a good one without its first letters': live.slice(3),
    'that is a good one and another letter': `${live}0`,
    'that is a good one in capital letters': live.toUpperCase(),
    'that is a good one behind a scheme': `Bearer ${live}`,
    'that is a good one in quotes': `"${live}"`,
    'that is a good one beside a letter of Latin-1': `${live}\u00e9`,
    'that is a good one behind a space that is none': `\u00a0${live}`,
    'that is a good one twice': `${live},${live}`,
    'that is a good token': token,
    'that is SQL': "' OR ''='",
    'that is a wildcard': 'sk-%',
    'that is no text': '[object Object]',
    'of 300 letters': `sk-${'0'.repeat(300)}`,
    'of 8,200 letters': `sk-${'0'.repeat(8_200)}`,
  };
  const own: Credentials = Object.entries(texts).map(([name, each]) => [name, [apiKey(each)]]);
  return [
    ...own,
    ['in two headers', [apiKey(live), apiKey(live)]],
    ['in two headers, of which the first is good', [apiKey(live), apiKey(madeUpKey())]],
    ['in two headers, of which the second is good', [apiKey(madeUpKey()), apiKey(live)]],
    ['in two headers, of which the first is empty', [apiKey(''), apiKey(live)]],
    ['in two headers, of which the second is empty', [apiKey(live), apiKey('')]],
    [
      'that is revoked, in the header of Open Wearables',
      [['X-Open-Wearables-API-Key', texts['that is revoked'] ?? '']],
    ],
    ['that is bad, before a good one', [['X-Open-Wearables-API-Key', madeUpKey()], apiKey(live)]],
    ['that is bad, beside a bad token', [bearer('broken'), apiKey(madeUpKey())]],
    [
      'that is bad, beside an expired token',
      [bearer(await signWithSecret(jwtSecret, claimsWith({ exp: secondsFromNow(-1) }))), apiKey(madeUpKey())],
    ],
    ['that is bad, behind another scheme', [['Authorization', 'Basic dXNlcjpwYXNz'], apiKey(madeUpKey())]],
  ];
}

/** What is no credential at all. */
async function nothings(): Promise<Credentials> {
  const token = await goodToken();
  const live = await liveKey();
  return [
    ['in an empty header', [['Authorization', '']]],
    ['in an empty header of a key', [apiKey('')]],
    ['of another scheme', [['Authorization', `Basic ${token}`]]],
    ['of no scheme', [['Authorization', token]]],
    ['of no scheme, a key', [['Authorization', live]]],
    ['behind a word that begins like the scheme', [['Authorization', `Bearers ${token}`]]],
    ['behind a colon', [['Authorization', `Bearer: ${token}`]]],
    ['behind an empty header', [['Authorization', ''], bearer(token)]],
    ['behind a comma', [['Authorization', `, Bearer ${token}`]]],
    ['behind another scheme', [['Authorization', 'Basic dXNlcjpwYXNz'], bearer(token)]],
    ['for a proxy', [['Proxy-Authorization', `Bearer ${token}`]]],
    ['in a cookie', [['Cookie', `Authorization=Bearer ${token}; X-API-Key=${live}`]]],
    ['under another name', [['X-API-Keys', live]]],
    ['under a name with an underline', [['X_API_Key', live]]],
    ['in the address of the page', [['Referer', `http://127.0.0.1/?api_key=${live}&access_token=${token}`]]],
  ];
}

type Credentials = readonly [name: string, lines: readonly HeaderLine[]][];

let bad: { readonly bearers: Credentials; readonly keys: Credentials; readonly nothings: Credentials };
beforeAll(async () => {
  bad = { bearers: await bearers(), keys: await keys(), nothings: await nothings() };
});

/** Those that are answered otherwise than the first one, which is returned. */
async function othersThanFirst(door: Door, credentials: Credentials) {
  const [[, lines] = ['', []], ...others] = credentials;
  const first = await door(server.url, lines);
  const differing: [string, Outcome][] = [];
  for (const [name, each] of others) {
    const outcome = await door(server.url, each);
    if (JSON.stringify(outcome) !== JSON.stringify(first)) differing.push([name, outcome]);
  }
  return { first, differing };
}

/** What doors say of somebody who is not let in. On a stream of server-sent events it is its only event. */
const refusal = {
  token:
    /UNAUTHENTICATED.*|Authentication required: provide JWT token or API key|The bearer token is invalid or has expired/,
  key: /UNAUTHENTICATED.*|Invalid or missing API key/,
  nothing: /UNAUTHENTICATED.*|Authentication required: provide JWT token or API key|connection_ack|LIMIT_EXCEEDED/,
};

describe.each(Object.entries(doors))('at %s', (name, door) => {
  const isSocket = name.includes('WebSocket');
  const status = isSocket ? 4403 : name.startsWith('GraphQL by server-sent events') ? 200 : 401;

  test('every bad bearer token is refused alike', { timeout: 60_000 }, async () => {
    const { first, differing } = await othersThanFirst(door, bad.bearers);
    expect(differing).toEqual([]);
    expect(first).toMatchObject({ status, body: expect.stringMatching(refusal.token) });
  });

  test('every bad API key is refused alike', { timeout: 60_000 }, async () => {
    const { first, differing } = await othersThanFirst(door, bad.keys);
    expect(differing).toEqual([]);
    expect(first).toMatchObject({ status, body: expect.stringMatching(refusal.key) });
  });

  test('what is no credential counts as none', async () => {
    const { first, differing } = await othersThanFirst(door, [['nothing', []], ...bad.nothings]);
    expect(differing).toEqual([]);
    expect(first.body).toMatch(refusal.nothing);
  });

  test('a good credential is let in', async () => {
    for (const line of [bearer(await goodToken()), apiKey(await liveKey())])
      expect((await door(server.url, [line])).body).not.toMatch(/UNAUTHENTICATED|Authentication required|Invalid/);
  });
});

test('a token or a key in a URL is none, but for the token of a user on a stream of REST', async () => {
  const userId = await server.user();
  const live = await liveKey();
  const ofUser = ((await server.userToken(userId)).authorization ?? '').replace('Bearer ', '');
  const path = (name: string, text: string, where = 'stream') =>
    `/api/v1/users/${userId}/sync/${where}?${name}=${encodeURIComponent(text)}`;
  const asked = [
    path('access_token', ofUser, 'recent'),
    path('access_token', live),
    path('access_token', await goodToken()),
    path('access_token', `Bearer ${ofUser}`),
    path('Access_Token', ofUser),
    path('api_key', live),
    path('x-api-key', live),
    path('token', ofUser),
    `/graphql?query={users{edges{node{id}}}}&access_token=${ofUser}`,
  ];
  for (const target of asked) {
    const { body } = await ask(server.url, 'GET', target, []);
    expect([target, body]).toEqual([target, expect.stringMatching(refusal.nothing)]);
  }
});

test('a delivery to a webhook needs its signature, whatever else it shows', async () => {
  const other = await startServer({
    settings: { OPEN_WEARABLES_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  });
  onTestFinished(() => other.close());
  const target = '/api/v1/webhooks/open-wearables';
  const lines: readonly HeaderLine[][] = [
    [],
    [apiKey(other.admin['x-api-key'] ?? '')],
    [bearer(await goodToken())],
    [
      ['svix-id', 'msg_1'],
      ['svix-timestamp', String(secondsFromNow(0))],
      ['svix-signature', 'v1,AAAA'],
    ],
  ];
  for (const each of lines) {
    const { status, body } = await ask(other.url, 'POST', target, each, '{"type":"sync.started","data":{}}');
    expect(status).toBe(401);
    expect(body).toMatch(/"code":"UNAUTHENTICATED"/);
  }
});

describe('whether a key was ever made', () => {
  test('shows in no statement: each is looked up by its hash, once, whatever it is like', async () => {
    const live = await liveKey();
    const asked: Record<string, string> = {
      'nobody made': madeUpKey(),
      'begins like a good one': `${live.slice(0, -6)}000000`,
      'is revoked': await deadKey('revoked'),
      'is expired': await deadKey('expired'),
    };
    const ran: [string, readonly string[]][] = [];
    for (const [name, key] of Object.entries(asked)) {
      statements.length = 0;
      await ask(server.url, 'GET', '/api/v1/sync/runs', [apiKey(key)]);
      ran.push([name, statements.filter((sql) => sql.includes('api_key'))]);
    }
    const [[, first] = ['', []]] = ran;
    expect(first).toHaveLength(1);
    expect(ran).toEqual(ran.map(([name]) => [name, first]));
  });

  test.each(Object.entries(doors))('is looked up for 256 characters and not for one more: %s', async (_name, door) => {
    const lookUps = async (length: number) => {
      statements.length = 0;
      await door(server.url, [apiKey(`sk-${'0'.repeat(length - 3)}`)]);
      return statements.filter((sql) => sql.includes('api_key')).length;
    };
    expect(await lookUps(256)).toBe(1);
    expect(await lookUps(257)).toBe(0);
  });
});

test('nobody is asked for a key that a token names', async () => {
  const before = issuer.requests;
  const stranger = strangers({ jku: issuer.jwks.url, x5u: issuer.jwks.url, kid: 'RS256' });
  for (const door of Object.values(doors)) await door(server.url, [bearer(stranger)]);
  expect(issuer.requests).toBe(before); // its own keys are known by now, and nothing is fetched from where a token says
});
