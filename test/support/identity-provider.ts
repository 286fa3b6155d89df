import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';

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
export interface Issuer {
  readonly jwks: { readonly url: string; readonly issuer: string; readonly audience: string };
  readonly publicKeys: readonly JWK[];
  sign(alg: PublicKeyAlgorithm, claims: Readonly<Record<string, unknown>>, kid?: string): Promise<string>;
  /** What the server answers from now on. */
  answer: { status: number; body: string };
  requests: number;
}

export async function startIssuer(): Promise<Issuer> {
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
    issuer.requests += 1;
    response.writeHead(issuer.answer.status, { 'content-type': 'application/json' }).end(issuer.answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // A server on a TCP port, as here, has an AddressInfo.
  const { port } = server.address() as AddressInfo;

  const issuer: Issuer = {
    jwks: { url: `http://127.0.0.1:${port}/jwks.json`, issuer: 'https://id.example', audience: 'synclog' },
    publicKeys,
    sign(alg, claims, kid = alg) {
      const key: CryptoKey = pairs[alg].privateKey;
      return new SignJWT({ iss: 'https://id.example', aud: 'synclog', ...claims })
        .setProtectedHeader({ alg, kid })
        .sign(key);
    },
    answer: { status: 200, body: JSON.stringify({ keys: publicKeys }) },
    requests: 0,
  };
  return issuer;
}
