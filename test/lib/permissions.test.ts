import { expect, test } from 'vitest';
import { may, maySeeUser, type Permission, visibility } from '../../src/auth/permissions.ts';
import type { Scope, Viewer } from '../../src/auth/viewer.ts';

const me = '11111111-1111-4111-8111-111111111111';
const other = '22222222-2222-4222-8222-222222222222';
const expiresAt = new Date('2100-01-01T00:00:00Z');
const anonymous: Viewer = { kind: 'anonymous' };
const user: Viewer = { kind: 'user', userId: me, via: 'sync:self', expiresAt };
const service = (...scopes: Scope[]): Viewer => ({
  kind: 'service',
  keyId: 'k',
  name: 'worker',
  scopes: new Set(scopes),
  expiresAt: null,
});
const developer = (...scopes: Scope[]): Viewer => ({
  kind: 'developer',
  subject: 'dev-1',
  scopes: new Set(scopes),
  expiresAt,
});

const held: [string, Viewer, Permission[]][] = [
  ['nobody in particular', anonymous, ['public']],
  ['a user', user, ['public', 'read']],
  ['a service without a scope', service(), ['public']],
  ['a service that reads', service('read'), ['public', 'read', 'delegate', 'operate']],
  ['a service that writes', service('write'), ['public', 'write']],
  ['a service that administers', service('admin'), ['public', 'admin']],
  ['a service that watches', service('metrics'), ['public', 'metrics']],
  ['a developer', developer('read'), ['public', 'read', 'delegate', 'operate']],
  ['a developer who names no scope', developer(), ['public', 'read', 'delegate', 'operate']],
  ['a developer who writes', developer('read', 'write'), ['public', 'read', 'write', 'delegate', 'operate']],
  ['a developer who administers', developer('read', 'admin'), ['public', 'read', 'admin', 'delegate', 'operate']],
];

test.each(held)('%s holds exactly its permissions', (_, viewer, expected) => {
  const all: Permission[] = ['public', 'read', 'write', 'admin', 'metrics', 'delegate', 'operate'];
  expect(all.filter((permission) => may(viewer, permission))).toEqual(expected);
});

test('a user sees one log: their own', () => {
  expect(visibility(user)).toEqual({ kind: 'one', userId: me });
  expect(maySeeUser(user, me)).toBe(true);
  expect(maySeeUser(user, other)).toBe(false);
});

test('whoever may read and is not a user sees every log', () => {
  for (const viewer of [service('read'), developer()]) {
    expect(visibility(viewer)).toEqual({ kind: 'all' });
    expect(maySeeUser(viewer, other)).toBe(true);
  }
});

test('whoever may not read sees no log', () => {
  for (const viewer of [anonymous, service('write', 'admin')]) {
    expect(visibility(viewer)).toEqual({ kind: 'none' });
    expect(maySeeUser(viewer, me)).toBe(false);
  }
});
