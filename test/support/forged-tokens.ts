import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const base64url = (text: string | Buffer) => Buffer.from(text).toString('base64url');

/** Signs the text before the last dot of a token. */
type Signer = (content: string) => Buffer | string;

/** A token of any header and claims. A text is taken as it is, so that it may be no JSON, or have a key twice. */
export function forge(header: object | string, claims: object | string, signer: Signer): string {
  const [first, second] = [header, claims].map((part) =>
    base64url(typeof part === 'string' ? part : JSON.stringify(part)),
  );
  const content = `${first}.${second}`;
  return `${content}.${base64url(signer(content))}`;
}

export const hmac =
  (secret: string | Buffer, bits = 256): Signer =>
  (content) =>
    createHmac(`sha${bits}`, secret).update(content).digest();

export const rsa =
  (key: KeyObject): Signer =>
  (content) =>
    sign('sha256', Buffer.from(content), key);

export const unsigned: Signer = () => '';

/** A key pair of somebody else. */
export function strangersKey(): { readonly privateKey: KeyObject; readonly publicJwk: object } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    privateKey: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicJwk: publicKey.export({ format: 'jwk' }),
  };
}
