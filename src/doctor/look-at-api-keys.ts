import { type ApiKey, ApiKeys } from '../auth/api-keys.ts';
import { openDatabase } from '../db/open-database.ts';
import { asTyped } from '../lib/package-folder.ts';
import { defaultLimits } from '../limits.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, warning } = findingsOf('database');
const DAY_MS = 86_400_000;
/** How long before its end a key is told of. */
const SOON_MS = 14 * DAY_MS;
/** A key that is not used for so long may be one that nobody needs. */
const IDLE_MS = 90 * DAY_MS;
/** Names of keys that one finding lists. */
const NAMED = 5;

/** Whether there are good keys, without which nobody can ask a server but for holders of tokens, and how they stand. */
export async function lookAtApiKeys(url: string, now = Date.now()): Promise<Finding[]> {
  const database = await openDatabase(url);
  try {
    const keys = new ApiKeys({ database, limits: defaultLimits });
    return findingsAbout(
      (await keys.list()).filter((key) => keys.isGood(key)),
      now,
    );
  } finally {
    await database.close();
  }
}

function findingsAbout(good: readonly ApiKey[], now: number): Finding[] {
  if (good.length === 0)
    return [
      warning(
        'no API key is good',
        `make one: ${asTyped('npm run api-key -- create --name NAME --scopes read,write,admin')}`,
      ),
    ];
  const findings = [ok(good.length === 1 ? 'one API key is good' : `${good.length} API keys are good`)];
  const ending = good.filter(({ expiresAt }) => expiresAt && expiresAt.getTime() < now + SOON_MS);
  if (ending.length > 0)
    findings.push(
      warning(
        `API keys that end within two weeks: ${namesOf(ending)}`,
        `put the end off together with a new secret: ${asTyped('npm run api-key -- rotate ID --expires-at TIME')}`,
      ),
    );
  const idle = good.filter((key) => lastKnownUse(key, now) < now - IDLE_MS);
  if (idle.length > 0)
    findings.push(
      warning(
        `API keys that nobody has used for 90 days: ${namesOf(idle)}`,
        `end what nobody needs: ${asTyped('npm run api-key -- revoke ID')}`,
      ),
    );
  return findings;
}

/** A secret without a known beginning is of an earlier release, which wrote down no use: nothing is said of it. */
function lastKnownUse({ lastUsedAt, prefix, createdAt }: ApiKey, now: number): number {
  return lastUsedAt?.getTime() ?? (prefix === null ? now : createdAt.getTime());
}

function namesOf(keys: readonly ApiKey[]): string {
  const names = keys.slice(0, NAMED).map(({ id, name }) => `${name} (${id})`);
  return keys.length > NAMED ? `${names.join(', ')} and ${keys.length - NAMED} more` : names.join(', ');
}
