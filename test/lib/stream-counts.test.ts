import { describe, expect, test } from 'vitest';
import type { Viewer } from '../../src/auth/viewer.ts';
import { type Client, StreamCounts } from '../../src/gate/stream-counts.ts';
import { defaultLimits } from '../../src/limits.ts';

const expiresAt = new Date(0);
const service = (keyId: string): Viewer => ({ kind: 'service', keyId, name: '', scopes: new Set(), expiresAt: null });
const developer = (subject: string): Viewer => ({ kind: 'developer', subject, scopes: new Set(), expiresAt });
const user = (userId: string): Viewer => ({ kind: 'user', userId, via: 'sync:self', expiresAt });
const nobody: Viewer = { kind: 'anonymous' };

/** Takes as many as there are, and tells how many that were and why there are no more. */
function fill(counts: StreamCounts, client: (index: number) => Client) {
  const released: (() => unknown)[] = [];
  for (;;)
    try {
      released.push(counts.take(client(released.length)).leave);
    } catch (error) {
      return { count: released.length, code: (error as { code?: unknown }).code, released };
    }
}

const room = { all: defaultLimits.openStreams, parts: defaultLimits.streamParts, what: 'sockets and streams' };
const perUser = 100;
const perAddress = 1_000;
const perService = 1_000;
const ofUsers = 9_000;

describe('how many exports may be open by default', () => {
  const { openExports, exportParts } = defaultLimits;
  const exportRoom = { all: openExports, parts: exportParts, what: 'exports' };

  test.each([
    ['one user', () => ({ viewer: user('u'), address: 'a' }), 2],
    ['users at one address', (index: number) => ({ viewer: user(String(index)), address: 'a' }), 10],
    ['one API key', () => ({ viewer: service('k'), address: 'a' }), 10],
    ['one developer', () => ({ viewer: developer('d'), address: 'a' }), 10],
  ])('is bounded for %s', (_, client, most) => {
    expect(fill(new StreamCounts(exportRoom), client)).toMatchObject({ count: most, code: 'RATE_LIMITED' });
  });

  test('is half of all for users, and the rest is left for services and developers', () => {
    const counts = new StreamCounts(exportRoom);
    const users = fill(counts, (index) => ({ viewer: user(String(index)), address: String(index) }));
    expect(users).toMatchObject({ count: 50, code: 'UNAVAILABLE' });
    const services = fill(counts, (index) => ({ viewer: service(String(index)), address: 'a' }));
    expect(services).toMatchObject({ count: 50, code: 'UNAVAILABLE' });
  });
});

describe('how many sockets and streams may be open by default', () => {
  test.each([
    ['one user', () => ({ viewer: user('u'), address: 'a' }), perUser],
    ['one user at many addresses', (index: number) => ({ viewer: user('u'), address: String(index) }), perUser],
    ['users at one address', (index: number) => ({ viewer: user(String(index)), address: 'a' }), perAddress],
    ['who has not said anything', () => ({ viewer: nobody, address: 'a' }), perAddress],
    ['one API key', (index: number) => ({ viewer: service('k'), address: String(index) }), perService],
    ['one developer', (index: number) => ({ viewer: developer('d'), address: String(index) }), perService],
  ])('is bounded for %s', (_, client, most) => {
    const counts = new StreamCounts(room);
    const { count, code, released } = fill(counts, client);
    expect({ count, code }).toEqual({ count: most, code: 'RATE_LIMITED' });
    for (const release of [...released.slice(0, 2), ...released.slice(0, 2)]) release();
    expect(fill(counts, client).count).toBe(2);
  });

  test('is bounded for all users together, who leave room for services, and those for nobody', () => {
    const counts = new StreamCounts(room);
    const users = fill(counts, (index) => ({ viewer: user(String(index)), address: String(index) }));
    expect(users).toMatchObject({ count: ofUsers, code: 'UNAVAILABLE' });
    expect(() => counts.take({ viewer: nobody, address: 'new' })).toThrow('as many sockets and streams open as it may');
    const services = fill(counts, (index) => ({ viewer: service(String(index)), address: 'a' }));
    expect(services).toMatchObject({ count: defaultLimits.openStreams - ofUsers, code: 'UNAVAILABLE' });
    for (const release of users.released) release();
    for (const release of services.released) release();
    expect(fill(counts, (index) => ({ viewer: user(String(index)), address: String(index) })).count).toBe(ofUsers);
  });

  test('does not count an API key for the address that it comes from', () => {
    const counts = new StreamCounts(room);
    fill(counts, () => ({ viewer: nobody, address: 'a' }));
    expect(() => counts.take({ viewer: service('k'), address: 'a' })).not.toThrow();
    expect(() => counts.take({ viewer: user('u'), address: 'a' })).toThrow('This address has 1000');
    expect(() => counts.take({ viewer: user('u'), address: 'b' })).not.toThrow();
  });

  test('and who is refused as who it is stays counted as who it was, until it leaves', () => {
    const counts = new StreamCounts({
      ...room,
      all: 40,
      parts: { operators: 10, service: 40, address: 40, user: 40 },
    });
    const arrival = { viewer: nobody, address: 'a' };
    counts.take({ viewer: service('k'), address: 'a' });
    const place = counts.take(arrival, true);
    expect(() => counts.take({ viewer: service('k'), address: 'a' }, false, place)).toThrow('This service has 1');
    expect(() => counts.take(arrival, true)).toThrow('This address has 1');
    place.leave();
    const again = counts.take(arrival, true);
    const known = counts.take({ viewer: nobody, address: 'a' }, false, again); // its own place is room enough
    again.leave();
    expect(() => counts.take(arrival, true)).toThrow('This address has 1');
    known.leave();
    counts.take(arrival, true);
  });
});
