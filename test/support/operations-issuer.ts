import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type Headers, jwtSecret } from './server.ts';

type Algorithm = 'HS256' | 'RS256' | 'ES256';

/** An identity provider for a whole suite: a real HTTP server with its public keys, and the settings that trust it. */
export interface SuiteIssuer {
  readonly settings: Readonly<Record<string, string>>;
  /** Headers of a token that is good for an hour, but for what `claims` change. */
  bearer(algorithm: Algorithm, claims?: JWTPayload): Promise<Headers>;
  close(): Promise<void>;
}

export async function startSuiteIssuer(): Promise<SuiteIssuer> {
  const pairs = {
    RS256: await generateKeyPair('RS256', { extractable: true }),
    ES256: await generateKeyPair('ES256', { extractable: true }),
  };
  const keys = await Promise.all(
    (['RS256', 'ES256'] as const).map(async (alg) => ({ ...(await exportJWK(pairs[alg].publicKey)), kid: alg, alg })),
  );
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a server on a TCP port has this address
  const trusted = { iss: 'https://id.example', aud: 'synclog' };
  return {
    settings: {
      JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks.json`,
      JWT_ISSUER: trusted.iss,
      JWT_AUDIENCE: trusted.aud,
    },
    async bearer(alg, claims = {}) {
      const payload = { sub: 'dev-1', exp: Math.floor(Date.now() / 1000) + 3600, ...claims };
      const isShared = alg === 'HS256';
      const key: CryptoKey | Uint8Array = isShared ? new TextEncoder().encode(jwtSecret) : pairs[alg].privateKey;
      const token = await new SignJWT(isShared ? payload : { ...trusted, ...payload })
        .setProtectedHeader(isShared ? { alg } : { alg, kid: alg })
        .sign(key);
      return { authorization: `Bearer ${token}` };
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
