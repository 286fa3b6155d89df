import { isMisspelling } from '../lib/misspelling.ts';
import { settingNames } from './settings.ts';

/** What else settings are called, in other programs. */
const otherNames: Readonly<Record<string, string>> = {
  DB_URL: 'DATABASE_URL',
  DIRECT_URL: 'DATABASE_DIRECT_URL',
  JWKS_URL: 'JWT_JWKS_URL',
  OPEN_WEARABLES_API_URL: 'OPEN_WEARABLES_URL',
  OW_API_URL: 'OPEN_WEARABLES_URL',
  CORS_ALLOWED_ORIGINS: 'CORS_ORIGINS',
  KEEP_ALIVE: 'KEEP_ALIVE_SECONDS',
  RATE_LIMIT: 'RATE_LIMITS',
};

/** The name of the setting that may have been meant, by a habit of names or by mistake. */
function meantBy(name: string): string | undefined {
  const usual = name.replace(/^OW_/, 'OPEN_WEARABLES_').replace(/(?<=_URL|_SECRET)_FILE$/, '');
  if (settingNames.includes(usual)) return usual;
  return otherNames[name] ?? settingNames.find((setting) => isMisspelling(name, setting));
}

/**
 * Variables that look like settings and are none, each with the setting that may have been meant. Other programs have
 * variables, too, so nothing is refused for its name.
 */
export function doubtsAbout(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    // Kubernetes tells of a service called `synclog` by SYNCLOG_PORT=tcp://….
    if (!value || /^(tcp|udp):/.test(value) || settingNames.includes(name)) return [];
    const meant = meantBy(name);
    return meant === undefined ? [] : [`${name} is no setting, so it counts for nothing. Did you mean ${meant}?`];
  });
}
