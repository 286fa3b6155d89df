import { expect, onTestFinished, test } from 'vitest';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import { createAuthenticate } from '../../src/auth/authenticate.ts';
import { credentialsFromHeaders, credentialsFromPayload } from '../../src/auth/credentials.ts';
import { createTokens } from '../../src/auth/jwt.ts';
import { defaultLimits } from '../../src/limits.ts';
import { openNewDatabase } from '../support/database.ts';
import { claimsWith, signWithSecret, startIdentityProvider } from '../support/identity-provider.ts';

const secret = 'a shared secret of enough length';

async function openAccess() {
  const { database, statements } = await openNewDatabase();
  const issuer = await startIdentityProvider();
  onTestFinished(issuer.close);
  issuer.answer = { status: 503, body: '' };
  const keys = new ApiKeys({ database, limits: defaultLimits });
  const tokens = createTokens({ secret, jwks: issuer.jwks, limits: defaultLimits });
  const created = await keys.create({ name: 'worker', scopes: ['read'], expiresAt: null });
  return {
    authenticate: createAuthenticate({ keys, tokens }),
    apiKey: created.secret,
    keyId: created.key.id,
    revoke: () => keys.revoke(created.key.id),
    bearer: `Bearer ${await signWithSecret(secret, claimsWith())}`,
    /** Of an issuer whose keys cannot be fetched. */
    unverifiable: `Bearer ${await issuer.sign('RS256', claimsWith())}`,
    statements,
  };
}

const refusedKey = {
  code: 'UNAUTHENTICATED',
  message: 'Invalid or missing API key',
  extensions: { credential: 'api_key' },
};
const refusedBearer = { code: 'UNAUTHENTICATED', extensions: { credential: 'bearer' } };

test('without a credential the viewer is anonymous', async () => {
  const { authenticate } = await openAccess();
  for (const nothing of [{}, { authorization: null, apiKey: null }, { authorization: '', apiKey: '' }])
    expect(await authenticate(nothing)).toEqual({ kind: 'anonymous' });
});

test('a good API key makes its service the viewer', async () => {
  const { authenticate, apiKey, keyId } = await openAccess();
  expect(await authenticate({ apiKey })).toMatchObject({ kind: 'service', keyId });
});

test('a good bearer token makes its developer the viewer', async () => {
  const { authenticate, bearer } = await openAccess();
  expect(await authenticate({ authorization: bearer })).toMatchObject({ kind: 'developer', subject: 'dev-1' });
});

test('the word Bearer may be in any case', async () => {
  const { authenticate, bearer } = await openAccess();
  for (const scheme of ['bearer', 'BEARER', ' Bearer '])
    expect(await authenticate({ authorization: bearer.replace('Bearer', scheme) })).toMatchObject({
      kind: 'developer',
    });
});

test('a good bearer token counts before the API key, which is not even looked up', async () => {
  const { authenticate, bearer, apiKey, statements } = await openAccess();
  statements.length = 0;
  expect(await authenticate({ authorization: bearer, apiKey })).toMatchObject({ kind: 'developer' });
  expect(await authenticate({ authorization: bearer, apiKey: 'sk-wrong' })).toMatchObject({ kind: 'developer' });
  expect(statements).toEqual([]);
});

test('a good API key beside a broken bearer token is accepted', async () => {
  const { authenticate, apiKey, unverifiable } = await openAccess();
  for (const authorization of ['Bearer broken', 'Bearer', 'Bearer a b', 'Bearer sk-wrong', unverifiable])
    expect(await authenticate({ authorization, apiKey })).toMatchObject({ kind: 'service' });
});

test('a wrong API key is refused as such, with or without a broken bearer token', async () => {
  const { authenticate } = await openAccess();
  await expect(authenticate({ apiKey: 'sk-wrong' })).rejects.toMatchObject(refusedKey);
  await expect(authenticate({ authorization: 'Bearer broken', apiKey: 'x' })).rejects.toMatchObject(refusedKey);
});

test('a revoked API key is refused', async () => {
  const { authenticate, apiKey, revoke } = await openAccess();
  await revoke();
  await expect(authenticate({ apiKey })).rejects.toMatchObject(refusedKey);
});

test('a broken bearer token alone is refused as such', async () => {
  const { authenticate } = await openAccess();
  const expired = `Bearer ${await signWithSecret(secret, claimsWith({ exp: 1 }))}`;
  for (const authorization of ['Bearer broken', 'Bearer', 'bearer undefined', 'Bearer sk-wrong', expired])
    await expect(authenticate({ authorization })).rejects.toMatchObject(refusedBearer);
});

test('a bearer token that cannot be checked now is not called wrong', async () => {
  const { authenticate, unverifiable } = await openAccess();
  await expect(authenticate({ authorization: unverifiable })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(authenticate({ authorization: unverifiable, apiKey: 'sk-wrong' })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  });
});

test('an API key is accepted as a bearer token', async () => {
  const { authenticate, apiKey, keyId } = await openAccess();
  expect(await authenticate({ authorization: `Bearer ${apiKey}` })).toMatchObject({ kind: 'service', keyId });
});

test('another scheme than Bearer counts as nothing', async () => {
  const { authenticate, apiKey } = await openAccess();
  for (const authorization of ['Basic dXNlcjpwYXNz', apiKey, 'Bearers x'])
    expect(await authenticate({ authorization })).toEqual({ kind: 'anonymous' });
});

test('credentials are read from the headers of a request', () => {
  const read = (headers: Record<string, string>) => credentialsFromHeaders((name) => new Headers(headers).get(name));
  expect(read({})).toEqual({ authorization: null, apiKey: null });
  expect(read({ Authorization: 'Bearer t', 'X-API-Key': 'k' })).toEqual({ authorization: 'Bearer t', apiKey: 'k' });
  expect(read({ 'X-Open-Wearables-API-Key': 'ow', 'X-API-Key': 'k' }).apiKey).toBe('ow');
  expect(read({ 'X-Open-Wearables-API-Key': ' ', 'X-API-Key': 'k' }).apiKey).toBe('k');
  expect(read({ 'X-API-Key': '' }).apiKey).toBeNull();
});

test('credentials are read from the connection_init payload of a WebSocket, names in any case', () => {
  expect(credentialsFromPayload({ authorization: 'Bearer t', 'x-api-key': 'k' })).toEqual({
    authorization: 'Bearer t',
    apiKey: 'k',
  });
  expect(credentialsFromPayload({ Authorization: 'Bearer t', 'X-Open-Wearables-API-Key': 'ow' })).toEqual({
    authorization: 'Bearer t',
    apiKey: 'ow',
  });
  expect(credentialsFromPayload({ 'X-API-KEY': 'k', 'x-open-wearables-api-key': '' }).apiKey).toBe('k');
});

test('a connection_init payload without usable texts holds no credential', () => {
  const nothing = { authorization: null, apiKey: null };
  for (const payload of [undefined, null, 'Bearer t', 7, [], ['authorization'], { authorization: 7, 'x-api-key': {} }])
    expect(credentialsFromPayload(payload)).toEqual(nothing);
  expect(credentialsFromPayload(JSON.parse('{"__proto__":{"authorization":"Bearer t"}}'))).toEqual(nothing);
});

test('of names in a connection_init payload that are alike no value is taken alone, as of headers', () => {
  const read = (payload: object) => credentialsFromPayload(payload).apiKey;
  const headers = (...values: string[]) =>
    credentialsFromHeaders((name) => (name === 'x-api-key' ? values.join(', ') : undefined)).apiKey;
  expect(read({ 'x-api-key': 'k', 'X-API-Key': 'k' })).toBe(headers('k', 'k'));
  expect(read({ 'x-api-key': 'k', 'X-API-Key': '' })).toBe(headers('k', ''));
  expect(read({ 'x-api-key': 7, 'X-API-Key': 'k' })).toBe(headers('', 'k'));
  for (const payload of [
    { 'x-api-key': 'k', 'X-API-Key': '' },
    { 'x-api-key': null, 'X-API-Key': 'k' },
    { 'X-Api-\u212aey': 'k' },
    { 'X-Api-\u212aey': 'other', 'x-api-key': 'k' },
    { 'x-api-key': 'k', 'x-api-\u212aey': '' },
  ])
    expect(read(payload)).not.toBe('k');
  expect(read({ 'X-Api-\u212aey': 'k' })).toBeTruthy(); // a bad one, and not none
});
