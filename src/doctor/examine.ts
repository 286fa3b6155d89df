import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { type Config, ConfigError, parseConfig } from '../config.ts';
import { isLoopback } from '../lib/loopback.ts';
import { isPrivateAddress } from '../lib/private-address.ts';
import { defaultLimits } from '../limits.ts';
import { doubtsAbout } from '../settings/doubtful-names.ts';
import { settingNames } from '../settings/settings.ts';
import { type Finding, findingsOf } from './finding.ts';
import { lookAtDatabase } from './look-at-database.ts';
import { lookAtMachine } from './look-at-machine.ts';

const settings = findingsOf('settings');
const server = findingsOf('server');

/** How long a server on this machine may take to let somebody in. */
const CONNECT_MS = 1_000;

/**
 * Looks at everything that the server depends on, one area after the other, and changes nothing. Where settings are wrong, what
 * they lead to is not looked at.
 * @param environment of the server, with what stands in `.env`
 */
export async function* examine(environment: Readonly<Record<string, string | undefined>>): AsyncGenerator<Finding> {
  let config: Config | undefined;
  try {
    config = parseConfig(environment);
    const given = settingNames.filter((name) => environment[name]);
    yield settings.ok(
      given.length > 0 ? `set, and as they should be: ${given.join(', ')}` : 'none is set: all are as they come',
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) yield settings.problem(problem, 'README.md describes each setting');
  }
  for (const doubt of doubtsAbout(environment)) yield settings.warning(doubt, 'name it right, or take it away');
  if (config && !isLoopback(config.host) && environment.NODE_ENV !== 'production')
    yield settings.warning(
      `HOST is ${config.host}, for others than this machine, and NODE_ENV is not production`,
      'set NODE_ENV=production, which keeps the schema from strangers and the log in JSON',
    );
  if (config && !config.trustedDocuments && environment.TRUSTED_DOCUMENTS_FOR?.trim())
    yield settings.warning(
      'TRUSTED_DOCUMENTS_FOR is set, and TRUSTED_DOCUMENTS is not: there is no list, and everybody may send any document',
      'name the list in TRUSTED_DOCUMENTS, or take TRUSTED_DOCUMENTS_FOR away',
    );
  if (config) yield* openMetrics(config);
  if (config && isForOthers(config, environment.NODE_ENV)) yield* missingBrakes(config);
  yield* lookAtMachine(config?.maxStreams ?? defaultLimits.openStreams);
  if (!config) return;
  if (config.trustedDocuments) {
    const { lookAtDocuments } = await import('./look-at-documents.ts');
    yield* await lookAtDocuments(config.trustedDocuments);
  }
  yield* await lookAtDatabase(config);
  yield* lookAtRedises(config);
  yield (await wrongHost(config)) ?? (await lookAtPort(config));
}

/** Nobody is asked for a credential: is that meant for those who reach the server? */
function openMetrics({ metricsAccess, host, trustedProxies }: Config): Finding[] {
  if (metricsAccess !== 'open') return [];
  const ways = [
    ...(isPrivateAddress(host) ? [] : [`HOST is ${host}`]),
    ...(trustedProxies.length > 0 ? ['TRUSTED_PROXIES names who brings others'] : []),
  ];
  if (ways.length === 0) return [];
  return [
    settings.warning(
      `METRICS_ACCESS is open, and strangers may reach /metrics: ${ways.join(', ')}`,
      'take METRICS_ACCESS away, and give Prometheus a key with the scope metrics',
    ),
  ];
}

/** Is it more than a server that a developer tries on a machine of their own, as the demo is? */
function isForOthers({ host, trustedProxies }: Config, mode: string | undefined): boolean {
  return mode === 'production' || !isLoopback(host) || trustedProxies.length > 0;
}

/** What keeps one client, or too many, from taking all of the server, and is turned off. */
function missingBrakes({ rateLimits, loadShedding }: Config): Finding[] {
  const findings: Finding[] = [];
  if (rateLimits === 0)
    findings.push(
      settings.warning(
        'RATE_LIMITS is off: one client may ask for all that the server can do',
        'take RATE_LIMITS away, or multiply the limits with a number that is enough',
      ),
    );
  if (!loadShedding)
    findings.push(
      settings.warning(
        'LOAD_SHEDDING is off: a server that cannot keep up refuses nothing, and gets slower for everybody',
        'take LOAD_SHEDDING away, and start another instance where one cannot keep up',
      ),
    );
  return findings;
}

async function* lookAtRedises({ redisUrl, sources }: Config): AsyncGenerator<Finding> {
  const ofSources = Object.values(sources).flatMap((values) =>
    Object.entries(values ?? {}).filter(([, value]) => /^rediss?:/.test(String(value))),
  );
  if (!redisUrl && ofSources.length === 0) return;
  const { lookAtRedis } = await import('./look-at-redis.ts');
  if (redisUrl) yield await lookAtRedis('REDIS_URL', redisUrl, true);
  for (const [name, url] of ofSources) yield await lookAtRedis(name, String(url), false);
}

/** Can the server listen on its host? Any port that is free tells, so that this takes none from a server that starts. */
async function wrongHost({ host }: Config): Promise<Finding | undefined> {
  const trial = createServer();
  try {
    await once(trial.listen({ host, port: 0 }), 'listening');
  } catch (error) {
    return server.problem(
      `HOST is ${host}, where the server cannot listen: ${(error as Error).message}`,
      'HOST must be an address or a name of this machine: 127.0.0.1 for this machine alone, 0.0.0.0 for all that reach it',
    );
  }
  trial.close();
  await once(trial, 'close');
  return undefined;
}

/** Does a server listen there already? */
function lookAtPort({ host, port }: Config): Promise<Finding> {
  const at = `${host}:${port}`;
  return new Promise((resolve) => {
    const socket = connect({ host: isLoopback(host) ? host : '127.0.0.1', port, timeout: CONNECT_MS });
    const end = (finding: Finding) => {
      socket.destroy();
      resolve(finding);
    };
    socket.once('connect', () => end(server.ok(`something listens at ${at}; another one needs another PORT`)));
    socket.once('timeout', () => end(server.ok(`nothing answers at ${at}`)));
    socket.once('error', () => end(server.ok(`nothing listens at ${at} yet`)));
  });
}
