import type { FastifyReply, FastifyRequest } from 'fastify'
import { MAIN_BOOK } from '../books/books.ts'
import type { Gateway } from '../gateway.ts'
import { emailKey, parseKnownEmail } from '../identity/email.ts'
import type { Counted } from '../limits/attempts.ts'
import { addressPrefix, limitKey } from '../limits/key.ts'
import type { LimitName } from '../limits/settings.ts'
import type { Taken } from '../limits/take.ts'
import { ApiError } from './errors.ts'

/** What is limited of a call beside the requests of its caller. */
export type Guard = {
  /** How often an address may make it, counted exactly over all nodes. */
  readonly exactly: LimitName
  /** Whether it mails to the address in its body. */
  readonly mails?: 'refused' | 'left out'
  /** Whether its mails are counted by themselves: the owner's way in, which nobody closes by asking for other mails. */
  readonly apart?: true
  /** Whether an answer 401 is a wrong guess at the secret of the caller, or of the user whom the body names. */
  readonly guesses?: true
}

/** The calls where identity is at stake, by operationId. */
export const GUARDED: Readonly<Record<string, Guard | undefined>> = {
  // Its answer may not tell whether the address is known: what is too much is not mailed.
  signUp: { exactly: 'signup', mails: 'left out' },
  logIn: { exactly: 'login', guesses: true },
  confirmEmail: { exactly: 'identity' },
  resendConfirmation: { exactly: 'identity', mails: 'refused' },
  forgetPassword: { exactly: 'identity', mails: 'refused', apart: true },
  resetPassword: { exactly: 'identity' },
  confirmEmailChange: { exactly: 'identity' },
  stepUp: { exactly: 'identity', guesses: true },
  changePassword: { exactly: 'identity', guesses: true },
  changeEmail: { exactly: 'identity', mails: 'refused', guesses: true },
  closeMe: { exactly: 'identity', guesses: true },
  eraseMe: { exactly: 'identity', guesses: true },
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether one more mail may go to the address that the body names. */
    mayMail: boolean
    attempt: Attempt | null
  }
}

/** An attempt to log in that is under way: what it is counted under, and who waits for its end. */
type Attempt = {
  readonly account: Counted | undefined
  readonly address: Counted | undefined
  readonly done: () => void
}

/** Attempts on one account from one address that may wait for each other, on this node. */
const MOST_IN_LINE = 50

export function createGuards({ limiter, config }: Gateway) {
  const { named } = config.rateLimits
  const { takeExactly, attempts } = limiter
  const inLine = createLines()

  async function before(request: FastifyRequest, reply: FastifyReply, guard: Guard): Promise<void> {
    const address = addressOf(request)
    const limit = named[guard.exactly]
    if (limit) admit(reply, await takeExactly(limitKey(guard.exactly, address), limit))
    const whom = userNamed(request)
    if (guard.mails) await beforeMail(request, reply, guard, address, whom)
    if (guard.guesses) await beforeGuess(request, reply, address, request.session?.userId ?? whom)
  }

  async function beforeMail(
    request: FastifyRequest,
    reply: FastifyReply,
    { mails, apart }: Guard,
    address: string,
    mailbox: string,
  ): Promise<void> {
    const what = apart ? ['apart'] : []
    for (const [name, key] of [
      ['mail', limitKey('mail', address, mailbox, ...what)],
      ['mailbox', limitKey('mailbox', mailbox, ...what)],
    ] as const) {
      const limit = named[name]
      const taken = limit && (await takeExactly(key, limit))
      if (taken && mails === 'refused') admit(reply, taken)
      request.mayMail &&= taken?.ok ?? true
    }
  }

  async function beforeGuess(
    request: FastifyRequest,
    reply: FastifyReply,
    address: string,
    user: string,
  ): Promise<void> {
    const counted = (name: 'failures' | 'address_failures', ...of: string[]): Counted | undefined => {
      const limit = named[name]
      return limit && { key: limitKey(name, ...of), limit }
    }
    const account = counted('failures', address, user)
    const whole = counted('address_failures', address)
    const done = await inLine(account?.key ?? '')
    if (!done) return refuse(reply, 1)
    request.attempt = { account: undefined, address: undefined, done }
    const admitted = await attempts.begin([account, whole].flatMap((one) => one ?? []))
    if (!admitted.ok) return refuse(reply, admitted.seconds)
    request.attempt = { account, address: whole, done }
  }

  /**
   * Settles an attempt by its answer: forgets, or takes back what was no wrong guess. Whatever becomes of it, whoever
   * waits behind it goes on: also where nobody is there any more to be answered.
   */
  async function after({ attempt }: FastifyRequest, status: number): Promise<void> {
    try {
      if (!attempt || status === 401) return
      const { account, address } = attempt
      if (account && status < 300) await attempts.forget(account)
      await attempts.takeBack([status < 300 ? undefined : account, address].flatMap((one) => one ?? []))
    } finally {
      attempt?.done()
    }
  }

  return { before, after }
}

/** Lets one at a time through for each key; gives what ends its turn, or nothing where too many wait. */
function createLines() {
  const lines = new Map<string, { last: Promise<void>; length: number }>()

  return async (key: string): Promise<(() => void) | undefined> => {
    if (key === '') return () => undefined
    const line = lines.get(key) ?? { last: Promise.resolve(), length: 0 }
    if (line.length >= MOST_IN_LINE) return undefined
    const before = line.last
    let ended = false
    const { promise, resolve } = Promise.withResolvers<void>()
    line.last = promise
    line.length += 1
    lines.set(key, line)
    await before
    return () => {
      if (ended) return
      ended = true
      line.length -= 1
      if (line.length === 0) lines.delete(key)
      resolve()
    }
  }
}

/** Whom a body names, however it is written, as one is known in the books; whether there is such a user is not asked. */
function userNamed({ body, session }: FastifyRequest): string {
  const { email = '', book = session?.homeName ?? MAIN_BOOK } = (body ?? {}) as { email?: string; book?: string }
  return `${book}/${emailKey(parseKnownEmail(email) ?? email)}`
}

/** Who calls, as far as the network tells. What a trusted proxy forwards and is no address does not count. */
export function addressOf({ ip, socket }: FastifyRequest): string {
  // Of whoever has left already there is none, whatever the type says.
  return addressPrefix(ip ?? '') ?? socket.remoteAddress ?? 'unknown'
}

/** Says in headers how much is left (draft-ietf-httpapi-ratelimit-headers), and refuses where nothing is. */
export function admit(reply: FastifyReply, { ok, limit, remaining, resetSeconds, retrySeconds }: Taken): void {
  reply.headers({
    'ratelimit-limit': limit.count,
    'ratelimit-remaining': remaining,
    'ratelimit-reset': resetSeconds,
    'ratelimit-policy': `${limit.count};w=${limit.seconds}`,
  })
  if (!ok) refuse(reply, retrySeconds)
}

function refuse(reply: FastifyReply, seconds: number): never {
  reply.headers({ 'retry-after': seconds, 'ratelimit-remaining': 0, 'ratelimit-reset': seconds })
  throw new ApiError('rate_limited')
}
