import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { PostgresUrl } from './postgres-url.ts';

/** How to try to connect, best first: `false` without encryption, undefined as `PGSSLMODE` says. */
export type Encryption = ConnectionOptions | false | undefined;

/**
 * The ways to encrypt that the URL allows, in the order in which to try them. As with libpq, `require` encrypts and checks
 * nothing unless a root certificate is named, `verify-ca` checks by whom the certificate is signed, and `verify-full` also
 * that it is for this host. Where no root certificate is named, `verify-full` trusts those that Node does.
 * @throws Error of the file system for a file that cannot be read.
 */
export function encryptionsOf({ host, sslMode, sslFiles, sslMinVersion }: PostgresUrl): readonly Encryption[] {
  if (host?.startsWith('/')) return [false]; // nothing is encrypted on a Unix socket, whatever is asked
  if (sslMode === undefined) return [undefined];
  if (sslMode === 'disable') return [false];
  const { root, certificate, key } = sslFiles;
  const own = {
    ...(certificate && { cert: readFileSync(certificate, 'utf8') }),
    ...(key && { key: readFileSync(key, 'utf8') }),
    ...(sslMinVersion && { minVersion: sslMinVersion }),
  };
  const trusted = root && root !== 'system' ? { ca: readFileSync(root, 'utf8') } : {};
  const encrypted = { ...own, rejectUnauthorized: false };
  if (sslMode === 'allow') return [false, encrypted];
  if (sslMode === 'prefer') return [encrypted, false];
  if (root === 'system' || sslMode === 'verify-full') return [{ ...own, ...trusted }];
  if (sslMode === 'require' && !root) return [encrypted];
  return [{ ...own, ...trusted, checkServerIdentity: () => undefined }];
}
