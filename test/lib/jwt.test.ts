import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK } from 'jose';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createTokens, type TokenOptions } from '../../src/auth/jwt.ts';
import { scopesOfToken } from '../../src/auth/token-scopes.ts';
import { type VerifiedToken, VerifiedTokens } from '../../src/auth/verified-tokens.ts';
import { defaultLimits } from '../../src/limits.ts';
import { claimsWith, secondsFromNow, signWithSecret, startIdentityProvider } from '../support/identity-provider.ts';

const secret = 'a shared sécret of enough length';
const userId = '3fa85f64-5717-4562-b3fc-2c963f66afa6';

function tokensWith(options: Partial<TokenOptions> = {}) {
  return createTokens({ secret, jwks: undefined, limits: defaultLimits, ...options });
}

/** An identity provider that goes with the test. */
async function startIssuer() {
  const issuer = await startIdentityProvider();
  onTestFinished(issuer.close);
  return issuer;
}

function unsigned(header: object, claims: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode(header)}.${encode(claims)}.`;
}

test('a token of the shared secret makes a developer who reads', async () => {
  const exp = secondsFromNow(60);
  expect(await tokensWith().verify(await signWithSecret(secret, claimsWith({ exp })))).toEqual({
    kind: 'developer',
    subject: 'dev-1',
    scopes: new Set(['read']),
    expiresAt: new Date(exp * 1000),
  });
});

test('a token may have 16,384 characters, and is none with one more', async () => {
  const ofLength = async (length: number) => {
    const rest = (await signWithSecret(secret, claimsWith({ padding: '' }))).length;
    // Three bytes take four characters, and which lengths there are depends on the rest.
    for (let padding = Math.floor(((length - rest) * 3) / 4) - 4; ; padding += 1) {
      const token = await signWithSecret(secret, claimsWith({ padding: 'x'.repeat(padding) }));
      if (token.length >= length) return token;
    }
  };
  const [longest, longer] = [await ofLength(16_384), await ofLength(16_385)];
  expect([longest.length, longer.length]).toEqual([16_384, 16_385]);
  expect(await tokensWith().verify(longest)).toMatchObject({ kind: 'developer' });
  expect(await tokensWith().verify(longer)).toBeNull();
});

test('a token made by hand, as another library would, is accepted: the secret is its UTF-8 bytes', async () => {
  const content = unsigned({ alg: 'HS256', typ: 'JWT' }, claimsWith()).slice(0, -1);
  const signature = createHmac('sha256', Buffer.from(secret, 'utf8')).update(content).digest('base64url');
  expect(await tokensWith().verify(`${content}.${signature}`)).toMatchObject({ kind: 'developer' });
});

test.each([
  ['without exp', claimsWith({ exp: undefined })],
  ['with an exp that is a text', claimsWith({ exp: String(secondsFromNow(60)) })],
  ['with an exp in milliseconds', claimsWith({ exp: secondsFromNow(60) * 1_000 })],
  ['with an exp in the year 2100', claimsWith({ exp: Date.UTC(2100, 0) / 1_000 })],
  ['with an nbf in milliseconds', claimsWith({ nbf: secondsFromNow(-60) * 1_000 })],
  ['with an nbf before 1970', claimsWith({ nbf: -1 })],
  ['with an iat in milliseconds', claimsWith({ iat: secondsFromNow(-60) * 1_000 })],
  ['with an iat that is a text', claimsWith({ iat: 'now' })],
  ['with an exp beyond every date', claimsWith({ exp: 1e300 })],
  ['that has expired', claimsWith({ exp: secondsFromNow(-1) })],
  ['that expires now', claimsWith({ exp: secondsFromNow(0) })],
  ['that is not valid yet', claimsWith({ nbf: secondsFromNow(60) })],
  ['without sub', claimsWith({ sub: undefined })],
  ['with an empty sub', claimsWith({ sub: '' })],
  ['with a sub that is a number', claimsWith({ sub: 7 })],
  ['for another audience', claimsWith({ aud: 'authenticated' })],
  ['with a scope that is an object', claimsWith({ scope: { sdk: true } })],
  ['with a scope that is null', claimsWith({ scope: null })],
  ['with a scope list that holds a number', claimsWith({ scope: ['read', 1] })],
  ['with a scope list that holds another', claimsWith({ scope: [['sdk']] })],
  ['with an scp that is an object', claimsWith({ scp: { sdk: true } })],
  ['with an scp that is null', claimsWith({ scp: null })],
  ['with an scp list that holds another', claimsWith({ scp: [['sdk']] })],
  ['with scopes that hold a number', claimsWith({ scope: 'admin', scopes: ['read', 1] })],
  ['with a Scope that is a number', claimsWith({ Scope: 1 })],
])('a well-signed token %s is refused', async (_, claims) => {
  expect(await tokensWith().verify(await signWithSecret(secret, claims))).toBeNull();
});

test('a token that was tampered with is refused', async () => {
  const [header, , signature] = (await signWithSecret(secret, claimsWith())).split('.');
  const [, otherClaims] = (await signWithSecret('another secret than ours', claimsWith({ scope: 'admin' }))).split('.');
  expect(await tokensWith().verify(`${header}.${otherClaims}.${signature}`)).toBeNull();
});

test('a token of another secret is refused', async () => {
  expect(await tokensWith().verify(await signWithSecret(`${secret}!`, claimsWith()))).toBeNull();
});

test('a token that says it needs no signature is refused', async () => {
  for (const alg of ['none', 'None', 'NONE', '']) {
    expect(await tokensWith().verify(unsigned({ alg, typ: 'JWT' }, claimsWith()))).toBeNull();
    expect(await tokensWith().verify(`${unsigned({ alg }, claimsWith())}x`)).toBeNull();
  }
  expect(await tokensWith().verify(unsigned({}, claimsWith()))).toBeNull();
});

test('a token of the same secret but another algorithm is refused', async () => {
  for (const alg of ['HS384', 'HS512'])
    expect(await tokensWith().verify(await signWithSecret(secret.repeat(3), claimsWith(), alg))).toBeNull();
});

test('what is not a token at all is refused', async () => {
  for (const text of ['', '.', '..', 'a.b.c', 'null', '{}', '\u0000', 'é'.repeat(20)])
    expect(await tokensWith().verify(text)).toBeNull();
});

test('a token longer than a request header is refused unread', async () => {
  const long = await signWithSecret(secret, claimsWith({ filler: 'x'.repeat(16_384) }));
  expect(await tokensWith().verify(long)).toBeNull();
});

test('without a shared secret no HS256 token is good', async () => {
  const tokens = tokensWith({ secret: undefined });
  expect(await tokens.verify(await signWithSecret(secret, claimsWith()))).toBeNull();
});

test.each([
  ['write', ['read', 'write']],
  ['openid admin profile', ['read', 'admin']],
  [
    ['write', 'admin'],
    ['read', 'write', 'admin'],
  ],
  ['READ Admin administer', ['read']],
  ['', ['read']],
])('the scope %j makes a developer with %j', async (scope, expected) => {
  const token = await signWithSecret(secret, claimsWith({ scope }));
  expect(await tokensWith().verify(token)).toMatchObject({ kind: 'developer', scopes: new Set(expected) });
});

test.each([
  ['sync:self', 'sync:self'],
  ['sdk', 'sdk'],
  ['admin write sync:self', 'sync:self'],
  ['admin,sdk', 'sdk'],
  [['admin', 'sdk'], 'sdk'],
  [['read write sdk', 'admin'], 'sdk'],
  ['sdk sync:self', 'sync:self'],
  ['SYNC:SELF', 'sync:self'],
  ['admin Sdk', 'sdk'],
  [['admin', 'SDK'], 'sdk'],
  [' \tsdk\n', 'sdk'],
  [[' Sync:Self '], 'sync:self'],
  ['admin;sdk', 'sdk'],
  ['admin | write, sdk+x', 'sdk'],
  ['admin\u00a0sdk\u200b', 'sdk'],
  ['["admin","sync:self"]', 'sync:self'],
])('the scope %j makes a user and nothing more', async (scope, via) => {
  const exp = secondsFromNow(60);
  const token = await signWithSecret(secret, claimsWith({ sub: userId.toUpperCase(), scope, exp, app_id: 'app_1' }));
  expect(await tokensWith().verify(token)).toEqual({ kind: 'user', userId, via, expiresAt: new Date(exp * 1000) });
});

test.each([
  { scp: 'sync:self' },
  { scp: ['sync:self'] },
  { scp: 'write SDK' },
  { scopes: 'sdk' },
  { scopes: ['admin', 'Sync:Self'] },
  { scope: 'admin', scp: ['sdk'] },
  { scope: ['admin'], scopes: [], SCP: 'sdk' },
  { Scope: 'sdk' },
])('scopes as in %j restrict a token to one user', async (claims) => {
  const token = await signWithSecret(secret, claimsWith({ sub: userId, ...claims }));
  expect(await tokensWith().verify(token)).toMatchObject({ kind: 'user', userId });
});

test.each([
  // Cognito, Azure AD (scopes and roles of an app), Auth0 (with and without a namespace), Keycloak, Okta, Spring.
  { scope: 'openid https://api.example.com/sync:self' },
  { scope: 'synclog/sync:self synclog/admin' },
  { scp: 'api://3fa85f64-5717-4562-b3fc-2c963f66afa6/sync:self' },
  { scp: ['urn:example:synclog:sync:self'] },
  { scope: 'admin', permissions: ['sync:self'] },
  { scope: 'openid profile write', permissions: ['read:logs', 'sync:self'] },
  { roles: ['sync:self'] },
  { role: 'SDK' },
  { 'https://example.com/roles': ['sdk'] },
  { 'https://example.com/claims/scope': 'sync:self' },
  { realm_access: { roles: ['offline_access', 'sdk'] } },
  { resource_access: { synclog: { roles: ['sync:self'] } } },
  { authorization: { permissions: [{ rsname: 'log', scopes: ['sync:self'] }] } },
  { permissions: { 'sync:self': true } },
  { authorities: ['SCOPE_sync:self'] },
  { Permissions: 'sync:self' },
  { app_roles: ['sync:self'] },
  { 'x-scopes': 'sdk' },
  { custom_scope: 'admin sync:self' },
  { userScopes: ['SDK'] },
  { 'https://example.com/app-roles': ['sdk'] },
  { entitlements: ['sync:self'] },
  { groups: ['staff', 'sync:self'] },
  { cognito: { 'custom:access': '["sync:self"]' } },
  { 'https://example.com/sync:self': true },
  // How else one can spell it.
  { scope: 'https://api.example.com/sync:self/' },
  { scope: 'https://api.example.com/v1.sdk' },
  { scope: 'synclog:SDK admin' },
  { scope: 'https%3A%2F%2Fapi.example.com%2Fsync%3Aself admin' },
  { scope: 'Sync.Self admin' },
  { scope: 'sync_self sync-self' },
  { scope: 'admin sync：self' },
  { scope: 'admin sd\u212a' },
  { scope: 'sync:self:read' },
  { scope: 'https://api.example.com/sync/self/read' },
  { scope: 'sync::self' },
  { scope: 'sdk:upload' },
  { scope: 'https://api.example.com/sdk/upload' },
  { scope: 'mobile-sdk' },
  { authorities: ['SCOPE_sdk'] },
  { grants: ['sdk'] },
  { roles: [{ name: 'sdk' }] },
  { authorities: [{ authority: 'sdk' }] },
  { sdk: true },
  { 'https://example.com/sdk': true },
  { app_metadata: { SDK: 1 } },
  { groups: ['sync:self:read'] },
  // What may mean something else narrows, too.
  { permissions: ['read:sdk'] },
])('a scope of Synclog as in %j restricts a token to one user, wherever and with whatever prefix', async (claims) => {
  const token = await signWithSecret(secret, claimsWith({ sub: userId, ...claims }));
  expect(await tokensWith().verify(token)).toMatchObject({ kind: 'user', userId });
  const ofNobody = await signWithSecret(secret, claimsWith({ sub: 'dev-1', ...claims }));
  expect(await tokensWith().verify(ofNobody)).toBeNull();
});

test.each([
  { permissions: ['admin', 'write'] },
  { roles: ['admin'] },
  { realm_access: { roles: ['write'] } },
  { scope: 'https://api.example.com/admin synclog/write api:metrics' },
  { scope: 'resync:self sync:selfie sync:my:self mobilesdk sdks' },
  { email: 'sdk', name: 'sdk', azp: 'sdk', client_id: 'mobile:sdk', groups: ['sdk'], amr: ['sdk'] },
  {
    name: 'Sync Self',
    email: 'sync@self.example',
    website: 'https://self.sync.example/about',
    groups: ['sync', 'self'],
  },
  { authority: 'https://login.example.com/sdk', role_name: 'Lead, SDK', 'https://example.com/roleName': 'SDK' },
  { sdk_version: '2.1', 'https://sdk.example.com/tenant': 'sdk' },
  { resource_access: { 'mobile-sdk': { roles: ['write'] } } },
  { permissions: 7, roles: null },
])('what is spelled as in %j grants nothing, and restricts nothing', async (claims) => {
  const token = await signWithSecret(secret, claimsWith(claims));
  expect(await tokensWith().verify(token)).toMatchObject({ kind: 'developer', scopes: new Set(['read']) });
});

test.each([
  { scp: ['write', 'admin'] },
  { scopes: 'write admin' },
  { Scope: 'admin' },
  { scope: '', scp: 'admin' },
  { scope: 'admin;write sync:selfie', scp: [] },
])('scopes as in %j grant nothing and restrict nothing', async (claims) => {
  const token = await signWithSecret(secret, claimsWith(claims));
  expect(await tokensWith().verify(token)).toMatchObject({ kind: 'developer', scopes: new Set(['read']) });
});

test.each<[string, (length: number) => object]>([
  ['a text of separators', (length) => ({ name: `${':'.repeat(length)}x` })],
  ['the name of a claim of separators', (length) => ({ [`${'-'.repeat(length)}x`]: 1 })],
  ['a scope of separators', (length) => ({ scope: `${'_.'.repeat(length / 2)}x` })],
  ['a text of blanks', (length) => ({ name: `${' '.repeat(length)}x` })],
  ['words in a row', (length) => ({ roles: 'sync:'.repeat(length / 5) })],
  ['lists in lists', (length) => ({ roles: JSON.parse(`${'["x",'.repeat(length / 6)}1${']'.repeat(length / 6)}`) })],
])('what a token costs grows with its length, not with its square: %s', (_, claimsOf) => {
  const costOf = (length: number) => {
    const claims = { ...claimsOf(length) };
    const times = Array.from({ length: 20 }, () => {
      const start = performance.now();
      scopesOfToken(claims);
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  costOf(12_000); // The first runs are those of a compiler.
  // The claims of the longest token have 12,000 characters: ten times those of the other one cost ten times as much, or a hundred.
  expect(costOf(12_000)).toBeLessThan(40 * costOf(1_200));
});

test('the scopes of a token that was good before are not read again', async () => {
  const tokens = tokensWith();
  const token = await signWithSecret(secret, claimsWith({ sub: userId, scope: 'admin sync:self' }));
  const { token: minted } = await tokens.mintUserToken({ userId, expiresInSeconds: 60 });
  const reading = vi.spyOn(String.prototype, 'normalize');
  onTestFinished(() => reading.mockRestore());
  expect(await tokens.verify(token)).toMatchObject({ kind: 'user', userId });
  expect(reading).toHaveBeenCalled();
  reading.mockClear();
  for (const each of [token, minted]) expect(await tokens.verify(each)).toMatchObject({ kind: 'user', userId });
  expect(reading).not.toHaveBeenCalled();
});

test("a user's token whose sub is no UUID is refused, not taken for a developer's", async () => {
  for (const sub of ['dev-1', `${userId}0`, `${userId}\n`, `{${userId}}`])
    expect(await tokensWith().verify(await signWithSecret(secret, claimsWith({ sub, scope: 'sdk' })))).toBeNull();
});

test.each(['RS256', 'ES256'] as const)('a token of %s is checked with the key set', async (alg) => {
  const issuer = await startIssuer();
  const tokens = tokensWith({ jwks: issuer.jwks });
  expect(await tokens.verify(await issuer.sign(alg, claimsWith({ scope: 'write' })))).toMatchObject({
    kind: 'developer',
    subject: 'dev-1',
    scopes: new Set(['read', 'write']),
  });
  const user = await issuer.sign(alg, claimsWith({ sub: userId, scope: 'sync:self admin' }));
  expect(await tokens.verify(user)).toMatchObject({ kind: 'user', userId });
  expect(issuer.requests).toBe(1);
});

test.each(['RS256', 'ES256'] as const)('a token of %s must name the right issuer and audience', async (alg) => {
  const issuer = await startIssuer();
  const tokens = tokensWith({ jwks: issuer.jwks });
  const wrong = [
    { iss: 'https://id.example/' },
    { iss: undefined },
    { aud: 'another' },
    { aud: ['another'] },
    { aud: undefined },
  ];
  for (const claims of wrong)
    expect(await tokens.verify(await issuer.sign(alg, { ...claimsWith(), ...claims }))).toBeNull();
  const right = await issuer.sign(alg, { ...claimsWith(), aud: ['another', 'synclog'] });
  expect(await tokens.verify(right)).toMatchObject({ kind: 'developer' });
});

test.each(['RS256', 'ES256'] as const)('a token of %s that is expired, changed or foreign is refused', async (alg) => {
  const [issuer, stranger] = [await startIssuer(), await startIssuer()];
  const tokens = tokensWith({ jwks: issuer.jwks });
  expect(await tokens.verify(await issuer.sign(alg, claimsWith({ exp: secondsFromNow(-1) })))).toBeNull();
  expect(await tokens.verify(await issuer.sign(alg, claimsWith({ exp: undefined })))).toBeNull();
  expect(await tokens.verify(await issuer.sign(alg, claimsWith({ sub: undefined })))).toBeNull();
  expect(await tokens.verify(await stranger.sign(alg, claimsWith()))).toBeNull();
  const good = await issuer.sign(alg, claimsWith());
  const [header, , signature] = good.split('.');
  const [, claims] = (await issuer.sign(alg, claimsWith({ scope: 'admin' }))).split('.');
  expect(await tokens.verify(`${header}.${claims}.${signature}`)).toBeNull();
  expect(await tokens.verify(good)).toMatchObject({ kind: 'developer' });
});

test('a token of a key that the set does not hold is refused', async () => {
  const issuer = await startIssuer();
  const tokens = tokensWith({ jwks: issuer.jwks });
  expect(await tokens.verify(await issuer.sign('RS256', claimsWith(), 'unknown'))).toBeNull();
});

test('a public key is never taken for a shared secret', async () => {
  const issuer = await startIssuer();
  for (const jwk of issuer.publicKeys) {
    const key = await importJWK(jwk, jwk.alg, { extractable: true });
    if (key instanceof Uint8Array) throw new Error('a public key was expected');
    for (const publicText of [await exportSPKI(key), JSON.stringify(jwk), jwk.n ?? jwk.x ?? '']) {
      const token = await signWithSecret(publicText, claimsWith({ iss: 'https://id.example', aud: 'synclog' }));
      expect(await tokensWith({ jwks: issuer.jwks }).verify(token)).toBeNull();
      expect(await tokensWith({ secret: undefined, jwks: issuer.jwks }).verify(token)).toBeNull();
    }
  }
  expect(issuer.requests).toBe(0);
});

test('a shared key in the key set is never used', async () => {
  const issuer = await startIssuer();
  const k = Buffer.from(secret).toString('base64url');
  issuer.answer.body = JSON.stringify({
    keys: [
      { kty: 'oct', k, kid: 'RS256', alg: 'RS256' },
      { kty: 'oct', k },
    ],
  });
  const tokens = tokensWith({ secret: undefined, jwks: issuer.jwks });
  const claims = claimsWith({ iss: 'https://id.example', aud: 'synclog' });
  expect(await tokens.verify(await signWithSecret(secret, claims))).toBeNull();
  expect(await tokens.verify(await issuer.sign('RS256', claims))).toBeNull();
});

test('without a key set no RS256 or ES256 token is good', async () => {
  const issuer = await startIssuer();
  expect(await tokensWith().verify(await issuer.sign('RS256', claimsWith()))).toBeNull();
  expect(await tokensWith().verify(await issuer.sign('ES256', claimsWith()))).toBeNull();
});

test('while the key set cannot be fetched its tokens are neither good nor bad', async () => {
  const issuer = await startIssuer();
  const tokens = tokensWith({ jwks: issuer.jwks });
  const token = await issuer.sign('RS256', claimsWith());
  const working = issuer.answer;
  for (const answer of [
    { status: 500, body: '' },
    { status: 200, body: 'not JSON' },
    { status: 200, body: '{"keys":7}' },
  ]) {
    issuer.answer = answer;
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE', cause: expect.any(Error) });
  }
  issuer.answer = working;
  expect(await tokens.verify(token)).toMatchObject({ kind: 'developer' });
});

test('an unreachable key set does not stop tokens of the shared secret', async () => {
  const issuer = await startIssuer();
  // Nothing listens on port 1.
  const tokens = tokensWith({ jwks: { ...issuer.jwks, url: 'http://127.0.0.1:1/jwks.json' } });
  await expect(tokens.verify(await issuer.sign('ES256', claimsWith()))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await tokens.verify(await signWithSecret(secret, claimsWith()))).toMatchObject({ kind: 'developer' });
});

test('a token that was good before is good from its nbf until its exp, and then no more', async () => {
  let now = Date.now();
  const [nbf, exp] = [secondsFromNow(-10), secondsFromNow(10)];
  const tokens = tokensWith({ clock: () => now });
  const token = await signWithSecret(secret, claimsWith({ nbf, exp }));
  for (const [at, isGood] of [
    [nbf * 1000, true],
    [exp * 1000 - 1, true],
    [exp * 1000, false],
    [nbf * 1000 - 1, false],
    [nbf * 1000, true],
  ] as const) {
    now = at;
    expect((await tokens.verify(token)) !== null).toBe(isGood);
  }
});

test('a token that was good before is refused once its key has left the key set', async () => {
  const issuer = await startIssuer();
  const tokens = tokensWith({ jwks: issuer.jwks });
  const token = await issuer.sign('RS256', claimsWith());
  for (let times = 0; times < 3; times += 1) expect(await tokens.verify(token)).toMatchObject({ subject: 'dev-1' });
  expect(issuer.requests).toBe(1);

  issuer.answer = {
    status: 200,
    body: JSON.stringify({ keys: issuer.publicKeys.filter(({ kid }) => kid !== 'RS256') }),
  };
  const later = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 11 * 60_000); // the key set is kept for ten minutes
  onTestFinished(() => later.mockRestore());
  expect(await tokens.verify(token)).toBeNull();
  expect(issuer.requests).toBe(2);
});

test('a token that was good before is neither good nor bad while the key set cannot be fetched again', async () => {
  const issuer = await startIssuer();
  const tokens = tokensWith({ jwks: issuer.jwks });
  const token = await issuer.sign('ES256', claimsWith());
  expect(await tokens.verify(token)).not.toBeNull();
  issuer.answer = { status: 503, body: '' };
  const later = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 11 * 60_000);
  onTestFinished(() => later.mockRestore());
  await expect(tokens.verify(token)).rejects.toMatchObject({ extensions: { code: 'UNAVAILABLE' } });
});

test('tokens are remembered up to a bound, and good beyond it', async () => {
  const token = await signWithSecret(secret, claimsWith());
  const tokens = new VerifiedTokens(2 * token.length);
  const verified: VerifiedToken = {
    header: { alg: 'HS256' },
    claims: {},
    scopes: null,
    key: new Uint8Array(),
    endsAt: Number.POSITIVE_INFINITY,
  };
  const others = [token.replace('.', '1'), token.replace('.', '2')] as const;
  tokens.set(token, verified);
  tokens.set(others[0], verified);
  expect(tokens.get(token)).toBe(verified);
  tokens.set(others[1], verified);
  expect([token, ...others].map((each) => tokens.get(each) !== undefined)).toEqual([true, false, true]);
  expect(await tokensWith({ limits: { ...defaultLimits, verifiedTokensLength: 0 } }).verify(token)).toMatchObject({
    subject: 'dev-1',
  });
});

test('a minted token opens one log until it expires', async () => {
  const time = { now: Date.parse('2026-06-01T12:00:00.250Z') };
  const tokens = tokensWith({ clock: () => time.now });
  const { token, expiresAt } = await tokens.mintUserToken({ userId, expiresInSeconds: 60 });
  expect(expiresAt).toEqual(new Date('2026-06-01T12:01:01Z'));
  expect(await tokens.verify(token)).toEqual({ kind: 'user', userId, via: 'sync:self', expiresAt });
  const [header = '', claims = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  expect(JSON.parse(header)).toEqual({ alg: 'HS256', typ: 'JWT' });
  const iat = Date.parse('2026-06-01T12:00:00Z') / 1000;
  expect(JSON.parse(claims)).toEqual({ sub: userId, scope: 'sync:self', iat, exp: iat + 61 });
  time.now = expiresAt.getTime() - 1;
  expect(await tokens.verify(token)).toMatchObject({ kind: 'user' });
  time.now += 1;
  expect(await tokens.verify(token)).toBeNull();
});

test('a minted token lives within its bounds', async () => {
  const tokens = tokensWith();
  const { min, max } = defaultLimits.userTokenSeconds;
  for (const expiresInSeconds of [min, max])
    expect(await tokens.verify((await tokens.mintUserToken({ userId, expiresInSeconds })).token)).not.toBeNull();
  for (const expiresInSeconds of [min - 1, max + 1, 1.5, Number.NaN, -60])
    await expect(tokens.mintUserToken({ userId, expiresInSeconds })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
});

test('without a shared secret no token is minted, and the error names the setting', async () => {
  await expect(tokensWith({ secret: undefined }).mintUserToken({ userId, expiresInSeconds: 60 })).rejects.toMatchObject(
    { code: 'UNAVAILABLE', message: expect.stringContaining('JWT_SECRET') },
  );
});

test.each([
  ['was used before', true],
  ['was only made', false],
])('a user token that %s is not good again when the clock is set back after its end', async (_, isUsed) => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const tokens = tokensWith();
  const { token } = await tokens.mintUserToken({ userId, expiresInSeconds: 60 });
  if (isUsed) expect(await tokens.verify(token)).not.toBeNull();
  vi.advanceTimersByTime(62_000);
  expect(await tokens.verify(token)).toBeNull();
  vi.setSystemTime(Date.now() - 3_600_000);
  expect(await tokens.verify(token)).toBeNull();
});
