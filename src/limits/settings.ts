/** So many in so much time: all at once, or spread over it. */
export type Limit = { readonly count: number; readonly seconds: number }

/**
 * Every limit with its default, and whom it counts. Log-in and the like are counted exactly by the database; `address`,
 * `user` and `token` in memory, which nodes tell each other a few times a second.
 */
export const LIMITS = {
  /** All requests of an address. */
  address: '20000/1s',
  /** All requests of a user, with whichever token. */
  user: '1000/1s',
  token: '1000/1s',
  /** By address. */
  signup: '300/1m',
  login: '600/1m',
  /** By address: confirmation, resending, and what else needs no token but a secret. */
  identity: '600/1m',
  /** Failed attempts before delays begin that double with each: of an address on one account. */
  failures: '10/15m',
  /** The same, of an address on all accounts together. */
  address_failures: '300/5m',
  /** Mails to one mailbox that one address can ask for; links to set a password are counted by themselves. */
  mail: '5/15m',
  /** The same, whoever asks. */
  mailbox: '20/15m',
} as const satisfies Record<string, string>
export type LimitName = keyof typeof LIMITS

/** Undefined where something is not limited. `ofOperation` has limits of single calls, by operationId. */
export type RateLimits = {
  readonly named: Readonly<Record<LimitName, Limit | undefined>>
  readonly ofOperation: ReadonlyMap<string, Limit>
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Reads `signup=100/1m,user=off,createPayment=50/1s`, or `off`; what is not named has its default. */
export function parseRateLimits(text: string): RateLimits | { readonly wrong: string } {
  const named: Partial<Record<string, Limit | undefined>> = {}
  for (const [name, limit] of Object.entries(LIMITS)) named[name] = text === 'off' ? undefined : parseLimit(limit)
  const ofOperation = new Map<string, Limit>()
  const seen = new Set<string>()
  for (const part of text === '' || text === 'off' ? [] : text.split(',')) {
    const [name = '', written = ''] = part.trim().split('=')
    const limit = written === 'off' ? undefined : parseLimit(written)
    if (seen.has(name)) return { wrong: `'${name}' is there twice` }
    seen.add(name)
    if (written !== 'off' && !limit) return { wrong: `'${part}' is not such as signup=100/1m or signup=off` }
    if (Object.hasOwn(LIMITS, name)) named[name] = limit
    else if (/^[a-z]+[A-Z][A-Za-z]*$/.test(name) && limit) ofOperation.set(name, limit)
    else return { wrong: `'${name}' is none of ${Object.keys(LIMITS).join(', ')} and no operation` }
  }
  return { named: named as RateLimits['named'], ofOperation }
}

function parseLimit(text: string): Limit | undefined {
  const match = /^([1-9]\d{0,6})\/([1-9]\d{0,3})([smhd])$/.exec(text)
  if (!match) return undefined
  return { count: Number(match[1]), seconds: Number(match[2]) * SECONDS[match[3] as keyof typeof SECONDS] }
}
