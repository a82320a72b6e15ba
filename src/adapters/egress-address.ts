import { BlockList, isIP } from 'node:net';

import ipaddr from 'ipaddr.js';

/** Addresses that look public and are not. */
const INNER = new BlockList();
// Azure's own metadata and health service, on every machine there.
INNER.addAddress('168.63.129.16');

/** All that is handed out on the public IPv6 internet; ranges in it that have a special use are known to ipaddr.js. */
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');

/**
 * Whether an address is one of the public internet and of one host. Anything else is not: private, loopback, link-local, shared, reserved,
 * multicast, and every IPv6 form that carries or translates an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64), also when that one
 * is public. Text that is no address, or has a zone, is not public.
 */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 0 || address.includes('%')) {
    return false;
  }
  // Not process(): it would turn mapped addresses into what they carry.
  const isUnicast = ipaddr.parse(address).range() === 'unicast';
  return isUnicast && (version === 4 ? !INNER.check(address) : GLOBAL_IPV6.check(address, 'ipv6'));
}
