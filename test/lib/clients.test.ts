import { describe, expect, test } from 'vitest';
import { accountOf, ClientAddresses } from '../../src/gate/clients.ts';

type Request = Parameters<ClientAddresses['of']>[0];

/** A request whose connection is from here. */
function from(remoteAddress: string | undefined, forwarded?: string): Request {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return { socket: { remoteAddress } as Request['socket'], headers }; // nothing else of it is read
}

describe('the address of a client', () => {
  const behindProxies = new ClientAddresses(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);

  test('is that of its connection, whatever it says, where no proxy is trusted', () => {
    const addresses = new ClientAddresses([]);
    expect(addresses.of(from('127.0.0.1', '203.0.113.9'))).toBe('127.0.0.1');
    expect(addresses.of(from('::ffff:198.51.100.1'))).toBe('198.51.100.1');
    expect(addresses.of(from(undefined))).toBe('');
  });

  test.each([
    ['added by the trusted proxy', '127.0.0.1', '203.0.113.9', '203.0.113.9'],
    [
      'the last that no trusted proxy has, whatever the client wrote',
      '10.1.2.3',
      '1.1.1.1, 203.0.113.9,10.9.9.9',
      '203.0.113.9',
    ],
    ['whatever a client says with the address of a trusted proxy', '10.9.9.9', '203.0.113.9', '203.0.113.9'],
    ['that of a proxy which is not trusted', '192.0.2.1', '203.0.113.9', '192.0.2.1'],
    ['that of the proxy, which has added none', '127.0.0.1', undefined, '127.0.0.1'],
    ['that of the proxy, which has added no address', '127.0.0.1', '203.0.113.9, unknown', '127.0.0.1'],
    ['the first, if all are trusted', '127.0.0.1', '10.0.0.5, 10.0.0.6', '10.0.0.5'],
    ['without its port', '127.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
    ['without what stands around IPv6', 'fd00::1', '[2001:db8:1:2:3:4:5:6]:4711', '2001:db8:1:2::'],
    ['one of IPv4 in the form of IPv6', '::ffff:127.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
  ])('is %s', (_, remote, forwarded, expected) => {
    expect(behindProxies.of(from(remote, forwarded))).toBe(expected);
  });

  test('is the network of IPv6, within which a client picks any', () => {
    for (const [written, network] of [
      ['2001:db8::1', '2001:db8:0:0::'],
      ['2001:DB8:0:0:ffff::', '2001:db8:0:0::'],
      ['2001:db8:0:1::1', '2001:db8:0:1::'],
      ['fe80::1%eth0', 'fe80:0:0:0::'],
      ['::1', '0:0:0:0::'],
    ] as const)
      expect(behindProxies.of(from(written))).toBe(network);
  });
});

describe('the account of a client', () => {
  const expiresAt = new Date(0);

  test('is that of its credential, and of its address where there is none', () => {
    const scopes = new Set<never>();
    const accounts = [
      accountOf({ kind: 'service', keyId: 'a', name: '', scopes, expiresAt: null }, '192.0.2.1'),
      accountOf({ kind: 'developer', subject: 'a', scopes, expiresAt }, '192.0.2.1'),
      accountOf({ kind: 'user', userId: 'a', via: 'sdk', expiresAt }, '192.0.2.1'),
      accountOf({ kind: 'anonymous' }, '192.0.2.1'),
    ];
    expect(accounts).toEqual(['service a', 'developer a', 'user a', 'address 192.0.2.1']);
  });

  test('is one for all tokens of a person, however they were made', () => {
    const [self, sdk] = (['sync:self', 'sdk'] as const).map((via) =>
      accountOf({ kind: 'user', userId: 'a', via, expiresAt }, via),
    );
    expect(self).toBe(sdk);
  });
});
