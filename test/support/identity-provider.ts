import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { type Headers, jwtSecret } from './server.ts';

type PublicKeyAlgorithm = 'RS256' | 'ES256';

/** Seconds since 1970, `offset` seconds from now. */
export function secondsFromNow(offset: number): number {
  return Math.floor(Date.now() / 1000) + offset;
}

/** Claims of a developer's token that is good for an hour, with what the test changes. `undefined` removes a claim. */
export function claimsWith(changes: Record<string, unknown> = {}): JWTPayload {
  const claims = { sub: 'dev-1', exp: secondsFromNow(3600), ...changes };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

/** A token signed with a shared secret. */
export function signWithSecret(secret: string, claims: JWTPayload, alg = 'HS256'): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, typ: 'JWT' }).sign(new TextEncoder().encode(secret));
}

/** A real HTTP server with the public keys of an identity provider, and the private halves to sign with. */
export interface IdentityProvider {
  /** Where its keys are, and the claims that its tokens have to carry. */
  readonly jwks: { readonly url: string; readonly issuer: string; readonly audience: string };
  /** Environment variables of a server that trusts it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly publicKeys: readonly JWK[];
  /** A token with its issuer and audience, unless `claims` name others. */
  sign(alg: PublicKeyAlgorithm, claims: Readonly<Record<string, unknown>>, kid?: string): Promise<string>;
  /** Headers of a token that is good for an hour, but for what `claims` change. HS256 is signed with the tests' secret. */
  bearer(algorithm: 'HS256' | PublicKeyAlgorithm, claims?: JWTPayload): Promise<Headers>;
  /** What the server answers from now on. */
  answer: { status: number; body: string };
  requests: number;
  close(): Promise<void>;
}

export async function startIdentityProvider(): Promise<IdentityProvider> {
  const pairs = {
    RS256: await generateKeyPair('RS256', { extractable: true }),
    ES256: await generateKeyPair('ES256', { extractable: true }),
  };
  const describe = async (alg: PublicKeyAlgorithm): Promise<JWK> => ({
    ...(await exportJWK(pairs[alg].publicKey)),
    kid: alg,
    alg,
    use: 'sig',
  });
  const publicKeys = [await describe('RS256'), await describe('ES256')];

  const server = createServer((_, response) => {
    provider.requests += 1;
    response.writeHead(provider.answer.status, { 'content-type': 'application/json' }).end(provider.answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server on a TCP port, as here, has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  const jwks = { url: `http://127.0.0.1:${port}/jwks.json`, issuer: 'https://id.example', audience: 'synclog' };

  const provider: IdentityProvider = {
    jwks,
    settings: { JWT_JWKS_URL: jwks.url, JWT_ISSUER: jwks.issuer, JWT_AUDIENCE: jwks.audience },
    publicKeys,
    sign(alg, claims, kid = alg) {
      const key: CryptoKey = pairs[alg].privateKey;
      return new SignJWT({ iss: jwks.issuer, aud: jwks.audience, ...claims })
        .setProtectedHeader({ alg, kid })
        .sign(key);
    },
    async bearer(algorithm, changes) {
      const claims = claimsWith(changes);
      const token =
        algorithm === 'HS256' ? await signWithSecret(jwtSecret, claims) : await provider.sign(algorithm, claims);
      return { authorization: `Bearer ${token}` };
    },
    answer: { status: 200, body: JSON.stringify({ keys: publicKeys }) },
    requests: 0,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return provider;
}
