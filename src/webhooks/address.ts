import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Why nothing is sent to a URL, as a caller is told; undefined where it may be. */
export type AddressRules = {
  readonly refuseUrl: (url: string) => string | undefined
  readonly allows: (address: string) => boolean
}

export const LONGEST_URL = 2_048

/**
 * Where webhooks may go: to https and addresses of the public internet. `allowPrivate` lets http and every address
 * through, for local development.
 */
export function addressRules(allowPrivate: boolean): AddressRules {
  const allows = allowPrivate ? (address: string) => isIP(address) !== 0 : isPublic

  function refuseUrl(text: string): string | undefined {
    if (text.length > LONGEST_URL) return `has more than ${LONGEST_URL} characters`
    if (!URL.canParse(text)) return 'is no URL'
    const url = new URL(text)
    if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return 'must begin with https://'
    if (url.username !== '' || url.password !== '') return 'must not hold a user or a password'
    if (url.hash !== '') return 'must not have a fragment'
    if (url.port === '0') return 'must not name port 0'
    const host = hostOf(url)
    const addresses = isLocalhost(host) ? LOOPBACK : isIP(host) ? [host] : []
    return addresses.every(allows) ? undefined : 'must not name a private, loopback or reserved address'
  }

  return { refuseUrl, allows }
}

/** The host of a URL without what only a URL needs. URLs write every spelling of an IPv4 address with four decimals. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/** `localhost` and names below it are this machine, whatever a name server says (RFC 6761 §6.3). */
export function isLocalhost(host: string): boolean {
  return /(^|\.)localhost\.?$/i.test(host)
}

export const LOOPBACK = ['127.0.0.1', '::1']

/**
 * Whether an address is one of the public internet: of those that ipaddr.js gives no special name, and in IPv6 only of
 * 2000::/3, all that is given out. So IPv4 in IPv6 in any of its forms, which could lead back inside, is refused.
 */
function isPublic(address: string): boolean {
  // Not ipaddr.isValid, which reads spellings that nothing connects to.
  if (isIP(address) === 0) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  const reserved = parsed.kind() === 'ipv4' ? RESERVED_IPV4 : RESERVED_IPV6
  if (parsed.kind() === 'ipv6' && !parsed.match(ipaddr.parseCIDR('2000::/3'))) return false
  return !reserved.some((range) => parsed.match(range))
}

/** Special-purpose addresses (IANA registries, RFC 6890) that ipaddr.js has as ordinary ones, or had in some version. */
const RESERVED_IPV4 = ['192.0.0.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.175.48.0/24'].map(
  (range) => ipaddr.parseCIDR(range),
)
const RESERVED_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2620:4f:8000::/48'].map((range) =>
  ipaddr.parseCIDR(range),
)
