import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { validate } from 'dockerfile-utils';
import { expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { parseConfig } from '../../src/config.ts';
import { defaultLimits } from '../../src/limits.ts';
import { settingNames } from '../../src/settings/settings.ts';
import { startServer } from '../support/server.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const { version } = JSON.parse(read('package.json'));
const dockerfile = read('Dockerfile');
const [user = '', group = ''] = /^USER (\d+):(\d+)$/m.exec(dockerfile)?.slice(1) ?? [];
const port = Number(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1]);

/** The documents of a YAML file, in which nothing is doubtful. */
// biome-ignore lint/suspicious/noExplicitAny: tests read values of any shape, and fail where one is another
function documentsOf(path: string): any[] {
  return parseAllDocuments(read(path), { merge: true, strict: true }).map((document) => {
    expect([...document.errors, ...document.warnings]).toEqual([]);
    return document.toJS();
  });
}

const stopSeconds = defaultLimits.shutdownMs / 1_000 + 2;

test('compose.yaml starts two instances as the image is made, with settings that there are, behind what they trust', () => {
  const [{ services, networks, volumes }] = documentsOf('deploy/compose.yaml');
  const given: Record<string, string> = { POSTGRES_PASSWORD: 'secret', JWT_SECRET: 'sixteen characters and more' };
  const filled = (text: unknown) =>
    String(text).replace(/\$\{(\w+)(?::[-?]([^}]*))?\}/g, (_, name, fallback) => given[name] ?? fallback);
  const instances = ['synclog-1', 'synclog-2'];
  for (const name of instances) {
    const { environment, ...service } = services[name];
    for (const setting of Object.keys(environment)) expect(settingNames).toContain(setting);
    const settings = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filled(value)]));
    const config = parseConfig(settings);
    expect(new URL(config.databaseUrl)).toMatchObject({
      hostname: 'postgres',
      username: 'synclog',
      password: 'secret',
    });
    expect(config.trustedProxies).toEqual([services.caddy.networks.edge.ipv4_address]);
    expect(service).toMatchObject({ image: `synclog:${version}`, build: '..', read_only: true, cap_drop: ['ALL'] });
    expect(service).not.toHaveProperty('user'); // the image's own
    expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(stopSeconds);
    expect(service.ulimits.nofile).toBeGreaterThan(2 * defaultLimits.openStreams);
    for (const needed of Object.keys(service.depends_on)) expect(services[needed]).toHaveProperty('healthcheck');
  }
  expect(existsSync(join(root, 'deploy', services['synclog-1'].build, 'Dockerfile'))).toBe(true);

  const { environment, volumes: mounts, depends_on } = services.caddy;
  expect(environment.SYNCLOG_SERVERS).toBe(instances.map((name) => `${name}:${port}`).join(' '));
  for (const name of Object.keys(environment)) expect(read('deploy/Caddyfile')).toContain(`{$${name}`);
  expect(depends_on).toEqual(Object.fromEntries(instances.map((name) => [name, { condition: 'service_healthy' }])));
  expect(existsSync(join(root, 'deploy', mounts[0].split(':')[0]))).toBe(true);
  expect(read('deploy/Caddyfile')).not.toContain(':8080'); // it is compose.yaml that names a port
  expect(filled(environment.SYNCLOG_SITE)).toBe(':8080');

  // Every name that is used is defined, and the database is reached from inside alone.
  for (const [name, service] of Object.entries<{ networks: object; volumes?: string[]; ports?: string[] }>(services)) {
    const of = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks);
    for (const network of of) expect(networks).toHaveProperty(network);
    for (const volume of service.volumes ?? [])
      if (/^\w/.test(volume)) expect(volumes).toHaveProperty([volume.split(':')[0] ?? '']);
    expect([name, service.ports !== undefined]).toEqual([name, name === 'caddy']);
  }
  expect(networks.data).toEqual({ internal: true });
  expect(services.postgres.networks).toEqual(['data']);
});

test('the Dockerfile has nothing that a linter of such files finds wrong or doubtful', () => {
  const found = (text: string) => validate(text).map(({ message, range }) => `${range.start.line + 1}: ${message}`);
  expect(found(dockerfile)).toEqual([]);
  expect(found(dockerfile.replace('HEALTHCHECK --', 'HEALTHCHECK --every=1s --'))).toEqual([
    expect.stringMatching(/^\d+: Unknown flag: every$/),
  ]);
});

test('kubernetes.yaml runs the image as its user, may write nothing, and probes what answers', async () => {
  const documents = documentsOf('deploy/kubernetes.yaml');
  const of = (kind: string) => documents.find((document) => document.kind === kind);
  const { spec } = of('Deployment');
  const { spec: pod, metadata } = spec.template;
  const [container] = pod.containers;
  expect(container.image).toBe(`registry.example/synclog:${version}`);
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: Number(user), runAsGroup: Number(group) });
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  // Which addresses proxies have, the operator alone knows: with the network of all pods, each pod could say to be any client.
  expect(container).not.toHaveProperty('env');
  expect(container.envFrom).toEqual([{ secretRef: { name: 'synclog' } }]);
  expect(read('deploy/kubernetes.yaml')).toContain('--from-literal=TRUSTED_PROXIES=');
  for (const [, name] of read('deploy/kubernetes.yaml').matchAll(/--from-literal=(\w+)=/g))
    expect(settingNames).toContain(name);

  const [preStopProgram, preStopSeconds] = container.lifecycle.preStop.exec.command;
  expect(preStopProgram).toBe('sleep');
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(Number(preStopSeconds) + stopSeconds);

  for (const labels of [
    metadata.labels,
    of('Service').spec.selector,
    of('PodDisruptionBudget').spec.selector.matchLabels,
  ])
    expect(labels).toEqual(spec.selector.matchLabels);
  expect(of('PodDisruptionBudget').spec.minAvailable).toBeLessThan(spec.replicas);
  expect(container.ports).toEqual([{ name: 'http', containerPort: port }]);
  expect(of('Service').spec.ports).toEqual([{ name: 'http', port: 80, targetPort: 'http' }]);

  const server = await startServer();
  onTestFinished(() => server.close());
  for (const [probe, path] of [
    ['startupProbe', '/healthz'],
    ['livenessProbe', '/healthz'],
    ['readinessProbe', '/readyz'],
  ] as const) {
    expect(container[probe].httpGet).toEqual({ path, port: 'http' });
    expect((await fetch(server.url + path)).status).toBe(200);
  }
});

test('an upgrade replaces one instance after the other, and each text that tells of it says what to leave alone meanwhile', () => {
  const [deployment] = documentsOf('deploy/kubernetes.yaml');
  expect(deployment.spec.strategy.type).toBe('RollingUpdate');
  for (const path of ['deploy/kubernetes.yaml', 'docs/operations.md', 'CHANGELOG.md'])
    expect(read(path).replace(/\s+(# )?/g, ' '), path).toMatch(
      /[Uu]ntil all (instances )?are new, rotate no key and erase no user/,
    );
});
