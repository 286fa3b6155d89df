import type { ApiKeys } from '../auth/api-keys.ts';

/** No name that an operator would choose: every key of this name is the demo's own, and may be revoked. */
const name = 'npm run demo';

/** Makes the key of one run of the demo, in place of those of earlier runs, and returns its secret. */
export async function makeDemoKey(keys: ApiKeys): Promise<string> {
  const earlier = (await keys.list()).filter((key) => key.name === name && key.revokedAt === null);
  for (const { id } of earlier) await keys.revoke(id);
  const { secret } = await keys.create({ name, scopes: ['read', 'write'], expiresAt: null });
  return secret;
}
