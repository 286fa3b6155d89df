import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { AppError } from '../../src/errors.ts';
import { type Headers, startServer } from '../support/server.ts';

async function closed() {
  const server = await startServer({ settings: { METRICS_ACCESS: 'credential' } });
  onTestFinished(() => server.close());
  const get = async (path: string, headers: Headers = {}) => {
    const response = await fetch(server.url + path, { headers });
    return { status: response.status, text: await response.text() };
  };
  return { server, get };
}

describe('where the metrics are not for everybody', () => {
  test('they are for the scope `metrics`, as a bearer token too, and for no other credential', async () => {
    const { server, get } = await closed();
    const watching = await server.key('metrics');
    const bearer = { authorization: `Bearer ${watching['x-api-key']}` };
    for (const headers of [watching, bearer])
      expect(await get('/metrics', headers)).toEqual({
        status: 200,
        text: expect.stringContaining('synclog_build_info'),
      });
    const refused: [Headers, number][] = [
      [{}, 401],
      [{ 'x-api-key': `sk-${'0'.repeat(64)}` }, 401],
      [{ authorization: 'Basic eDp5' }, 401],
      [server.admin, 403],
      [await server.userToken(await server.user()), 403],
    ];
    for (const [headers, status] of refused) {
      const answer = await get('/metrics', headers);
      expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { detail: expect.any(String) }]);
    }
  });

  test('such a credential sees nothing but them', async () => {
    const { server, get } = await closed();
    const userId = await server.user();
    const watching = await server.key('metrics');
    const { errors } = await server.graphql('{ users(first: 1) { edges { cursor } } }', {}, watching);
    expect(errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', missingScope: 'read' });
    expect((await get(`/api/v1/users/${userId}/sync/recent`, watching)).status).toBe(403);
  });

  test('/healthz and /readyz answer everybody, and what is away is told to who may read the metrics', async () => {
    const { server, get } = await closed();
    const watching = await server.key('metrics');
    const secret = `a password of ${randomUUID()}`;
    const outage = server.app.services.outages.watch('Redis', { away: 'gone', back: 'back' });
    outage.failed(new Error(secret));
    const plain = { status: 200, text: '{"status":"ok"}' };
    for (const headers of [{}, server.admin, { 'x-api-key': 'sk-nothing' }]) {
      expect(await get('/healthz', headers)).toEqual(plain);
      expect(await get('/readyz', headers)).toEqual(plain);
    }
    expect(JSON.parse((await get('/readyz', watching)).text)).toMatchObject({
      status: 'ok',
      detail: { Redis: secret },
    });
  });

  test('who was let in is still while no credential can be checked, until it is known to be bad', async () => {
    const { server, get } = await closed();
    const [watching, unknown] = [await server.key('metrics'), await server.key('metrics')];
    expect((await get('/metrics', watching)).status).toBe(200);
    const { keys } = server.app.services;
    const verify = keys.verify.bind(keys);
    keys.verify = async () => {
      throw new AppError('UNAVAILABLE', 'The database is away');
    };
    expect((await get('/metrics', watching)).status).toBe(200);
    expect((await get('/metrics', unknown)).status).toBe(503);
    keys.verify = async () => null;
    expect((await get('/metrics', watching)).status).toBe(401);
    keys.verify = async () => {
      throw new AppError('UNAVAILABLE', 'The database is away');
    };
    expect((await get('/metrics', watching)).status).toBe(503);
    keys.verify = verify;
    expect((await get('/metrics', watching)).status).toBe(200);
  });
});

test('they are open on an address that no stranger reaches, unless the operator says otherwise', () => {
  const access = (settings: Record<string, string>) => parseConfig(settings).metricsAccess;
  for (const HOST of ['127.0.0.1', 'localhost', '::1', '10.1.2.3', '172.31.0.1', '192.168.1.1', 'fd00::1', 'fe80::1'])
    expect(access({ HOST }), HOST).toBe('direct');
  for (const HOST of ['0.0.0.0', '::', '172.32.0.1', '203.0.113.1', '2001:db8::1', 'synclog.example'])
    expect(access({ HOST }), HOST).toBe('credential');
  expect(access({ HOST: '127.0.0.1', TRUSTED_PROXIES: '127.0.0.1' })).toBe('credential');
  expect(access({ METRICS_ACCESS: 'credential' })).toBe('credential');
  expect(access({ HOST: '0.0.0.0', METRICS_ACCESS: 'open' })).toBe('open');
  expect(access({ TRUSTED_PROXIES: '127.0.0.1', METRICS_ACCESS: 'open' })).toBe('open');
});

test('who comes by a proxy needs a credential on a private address too, unless the operator says otherwise', async () => {
  const byProxy: Headers[] = [
    { 'x-forwarded-for': '203.0.113.7' },
    { 'x-forwarded-for': '127.0.0.1' },
    { 'x-forwarded-for': '' },
    { forwarded: 'for=203.0.113.7' },
    { 'x-real-ip': '203.0.113.7' },
    { via: '1.1 proxy' },
  ];
  const server = await startServer();
  onTestFinished(() => server.close());
  server.app.services.outages.watch('Redis', { away: 'gone', back: 'back' }).failed(new Error('refused'));
  const watching = await server.key('metrics');
  const get = (path: string, headers: Headers = {}) => fetch(server.url + path, { headers });
  expect((await get('/metrics')).status).toBe(200);
  expect(await (await get('/readyz')).json()).toHaveProperty('detail');
  for (const headers of byProxy) {
    expect((await get('/metrics', headers)).status, JSON.stringify(headers)).toBe(401);
    expect(await (await get('/readyz', headers)).json()).toEqual({ status: 'ok' });
    expect((await get('/metrics', { ...headers, ...watching })).status).toBe(200);
  }
  const open = await startServer({ settings: { METRICS_ACCESS: 'open' } });
  onTestFinished(() => open.close());
  for (const headers of byProxy) expect((await fetch(`${open.url}/metrics`, { headers })).status).toBe(200);
});
