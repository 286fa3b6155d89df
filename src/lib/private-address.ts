import { BlockList, isIP, isIPv6 } from 'node:net';
import { isLoopback } from './loopback.ts';

const networks = new BlockList();
for (const [network, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const)
  networks.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  networks.addSubnet(network, bits, 'ipv6');

/** Does this address of an interface reach nobody outside of a private network? Of a name, or of all interfaces, nobody knows. */
export function isPrivateAddress(host: string): boolean {
  if (isLoopback(host)) return true;
  return isIP(host) !== 0 && networks.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}
