import { isIP, isIPv6 } from 'node:net'
import { digestOf } from '../database/digest.ts'

/**
 * Who is counted together by address: one of IPv4, or a /64 of IPv6, which is what one subscriber has. IPv4 inside IPv6
 * is IPv4. Undefined where the text is no address.
 */
export function addressPrefix(text: string): string | undefined {
  const address = text.replace(/%.*$/, '')
  if (isIP(address) === 4) return address
  if (!isIPv6(address)) return undefined
  const groups = ipv6Groups(address)
  const [embedded, low, high] = [groups.slice(0, 6), groups[6] ?? 0, groups[7] ?? 0]
  if (embedded.every((group, index) => group === (index === 5 ? 0xffff : 0))) {
    return [low >> 8, low & 255, high >> 8, high & 255].join('.')
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups of an address that is one. */
function ipv6Groups(address: string): number[] {
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_match, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number)
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [left = '', right] = plain.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [head, tail] = [groups(left), right === undefined ? [] : groups(right)]
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** The key under which something is counted: from a digest nobody reads an address. */
export function limitKey(...parts: readonly string[]): string {
  return digestOf(JSON.stringify(parts))
}
