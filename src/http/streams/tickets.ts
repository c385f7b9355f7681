import { readClock } from '../../database/clock.ts'
import type { Gateway } from '../../gateway.ts'
import { bookOfToken, hashSecret } from '../../identity/secrets.ts'
import type { Session, StoredToken } from '../../identity/sessions.ts'
import { limitKey } from '../../limits/key.ts'
import { ApiError } from '../errors.ts'

// A browser's EventSource sends no header, and a token in an address ends up in logs and histories. So a page asks for a
// ticket: it opens one stream, within half a minute, and is of no use to whoever reads it afterwards.

const GOOD_FOR_MS = 30_000
/** One in so long, over all nodes: longer than a ticket is good. */
const ONCE = { count: 1, seconds: 60 }
const PLACE = 'stream ticket'

/** `expiresAt` is in milliseconds since 1970, by the database's clock: nodes may differ. */
type Ticket = StoredToken & { readonly expiresAt: number }
type Parts = Pick<Gateway, 'pool' | 'secretBox' | 'limiter' | 'sessions'>

/** A ticket for who holds the token, and when it ends. It holds no token: only what the database knows of it, sealed. */
export async function issueTicket({ pool, secretBox }: Pick<Gateway, 'pool' | 'secretBox'>, token: string) {
  const expiresAt = (await nowIn(pool)) + GOOD_FOR_MS
  const ticket: Ticket = { bookName: bookOfToken(token) ?? '', hash: hashSecret(token).toString('hex'), expiresAt }
  return { ticket: secretBox.seal(JSON.stringify(ticket), PLACE).toString('base64url'), expiresAt }
}

/** Uses a ticket up: the session of the token that it was made with. Throws `unauthenticated` the second time. */
export async function redeemTicket({ pool, secretBox, limiter, sessions }: Parts, text: string): Promise<Session> {
  const ticket = readTicket({ secretBox }, text)
  const sealed = Buffer.from(text, 'base64url').toString('hex')
  if (ticket.expiresAt <= (await nowIn(pool)) || !(await limiter.takeExactly(limitKey(PLACE, sealed), ONCE)).ok) {
    throw new ApiError('unauthenticated', 'The ticket was used already, or is too old')
  }
  const session = await sessions.findStored(ticket)
  if (!session) throw new ApiError('unauthenticated')
  return session
}

async function nowIn(pool: Gateway['pool']): Promise<number> {
  return Number((await readClock(pool)) / 1_000n)
}

/** What a ticket stands for, used up or not. Throws `unauthenticated` where it is none of ours. */
export function readTicket({ secretBox }: Pick<Gateway, 'secretBox'>, text: string): Ticket {
  try {
    return JSON.parse(secretBox.open(Buffer.from(text, 'base64url'), PLACE))
  } catch {
    throw new ApiError('unauthenticated', 'This is no ticket')
  }
}

/** The ticket that a request names. It counts, also beside a token. */
export function ticketOf({ query }: { readonly query: unknown }): string | undefined {
  const { ticket } = query as { readonly ticket?: unknown }
  return typeof ticket === 'string' ? ticket : undefined
}
