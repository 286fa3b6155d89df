import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Viewer } from '../auth/viewer.ts';

/** How much of an address of IPv6 a provider gives to one client, who then picks any address within it. */
const GROUPS_OF_NETWORK = 4;

/**
 * On whose account what a client does is counted: its credential's, and for who shows none that of its address. All
 * tokens of one person are one account, as are all of one developer: tokens are easily made.
 */
export function accountOf(viewer: Viewer, address: string): string {
  switch (viewer.kind) {
    case 'service':
      return `service ${viewer.keyId}`;
    case 'developer':
      return `developer ${viewer.subject}`;
    case 'user':
      return `user ${viewer.userId}`;
    case 'anonymous':
      return `address ${address}`;
  }
}

/**
 * From where requests come. A client can write anything into `X-Forwarded-For`; what a proxy has added stands at its end,
 * so that it counts from there, as far as proxies are trusted. IPv6 is counted by network.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList();

  /** @param trustedProxies addresses, and blocks such as `10.0.0.0/8` */
  constructor(trustedProxies: readonly string[]) {
    for (const entry of trustedProxies) {
      const [address = '', bits] = entry.split('/');
      if (bits === undefined) this.#trusted.addAddress(address, familyOf(address));
      else this.#trusted.addSubnet(address, Number(bits), familyOf(address));
    }
  }

  /** The address of the client behind the trusted proxies; empty once its connection is gone. */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    let address = bare(socket.remoteAddress ?? '');
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined) return networkOf(address); // whoever is trusted, has told of nobody
    const hops = [forwarded].flat().join().split(',');
    while (this.#trusted.check(address, familyOf(address))) {
      const before = bare(hops.pop() ?? '');
      if (isIP(before) === 0) break;
      address = before;
    }
    return networkOf(address);
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

/** An address without what proxies write around it: a port, brackets, a zone, the form that IPv4 has within IPv6. */
function bare(written: string): string {
  const address = written
    .trim()
    .replace(/^\[(.*)\](:\d+)?$/, '$1')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/i, '');
  return address.replace(/^([\d.]+):\d+$/, '$1');
}

function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const { hostname } = new URL(`http://[${address}]`); // in one spelling
  const [head = '', tail = ''] = hostname.slice(1, -1).split('::');
  const [before, after] = [head, tail].map((part) => (part === '' ? [] : part.split(':')));
  const groups = [...(before ?? []), ...Array(8).fill('0')].slice(0, 8 - (after?.length ?? 0));
  return `${[...groups, ...(after ?? [])].slice(0, GROUPS_OF_NETWORK).join(':')}::`;
}
