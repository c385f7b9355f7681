import { type Queryable, together } from '../database/connection.ts'
import type { AccountId, BookId, Instant, UserId } from '../ledger/id.ts'
import type { Meter, MeterId, Use } from '../ledger/meters.ts'
import {
  type KeptLimits,
  LIMITED_KINDS,
  type Limit,
  type LimitedKind,
  PER,
  type Per,
  readLimitsOf,
  SPANS,
  type Span,
} from '../rules/payment_limits.ts'
import { readUse, takeTurns, type UseOf } from '../rules/use.ts'
import type { PaymentRequest } from './payment.ts'

// Which limits requests count against, and what is used of them. Where a book has no limits nothing is looked up; where
// it has some, what was used is read behind the locks of the accounts and, for limits over several, of their users.

/** Whose payments of what kind: of an account, whose user and currency never change. */
export type Subject = {
  readonly accountId: AccountId
  readonly userId: UserId
  readonly kind: LimitedKind
  readonly currency: string
}

/** A limit that holds for a subject, with what it has used of it. */
export type MeteredLimit = Meter & { readonly id: MeterId; readonly limit: Limit }

export type Metering = {
  readonly meters: ReadonlyMap<MeterId, MeteredLimit>
  /** What a request counts against; undefined for nothing. */
  readonly of: (request: PaymentRequest) => readonly MeterId[] | undefined
}

const UNMETERED: Metering = { meters: new Map(), of: () => undefined }

/** Whether whoever reads is about to post, and so takes its turn; `since` is the time of the earliest of its payments. */
type Reading = { readonly at: Instant; readonly since?: Instant; readonly toPost: boolean }

/** The limits that requests of one book count against. To be read behind the locks of their accounts. */
export async function readMetering(
  client: Queryable,
  book: BookId,
  limits: KeptLimits,
  requests: readonly PaymentRequest[],
  reading: Reading,
): Promise<Metering> {
  if (limits.forEverybody.length === 0 && !limits.areOthers) return UNMETERED
  const subjects = new Map<string, Subject>()
  for (const request of requests) {
    const subject = subjectOf(request)
    if (subject) subjects.set(keyOf(subject), subject)
  }
  const found = await readMeters(client, book, limits, [...subjects.values()], reading)
  const meters = new Map([...found.values()].flat().map((meter) => [meter.id, meter]))
  if (meters.size === 0) return UNMETERED
  const ids = new Map([...found].map(([subject, its]) => [keyOf(subject), its.map(({ id }) => id)]))
  const of = (request: PaymentRequest) => {
    const subject = subjectOf(request)
    return subject && ids.get(keyOf(subject))
  }
  return { meters, of }
}

/** The limits that hold for each subject, and what is used of them. */
export async function readMeters(
  client: Queryable,
  book: BookId,
  limits: KeptLimits,
  subjects: readonly Subject[],
  { at, since = at, toPost }: Reading,
): Promise<ReadonlyMap<Subject, readonly MeteredLimit[]>> {
  const applying = await readApplying(client, book, limits, subjects)
  const all = new Map([...applying.values()].flat().map((each) => [each.id, each]))
  const adding = [...all.values()].flatMap(({ id, limit, subject }) =>
    limit.span === 'payment' ? [] : [{ id, of: useOf(limit.per, limit.span, subject) }],
  )
  const used = new Map<MeterId, Use>()
  if (adding.length > 0) {
    const users = new Set(adding.flatMap(({ of: { userId } }) => userId ?? []))
    const asked = adding.map(({ of }) => of)
    const turns = toPost && users.size > 0 && takeTurns(client, book, at, [...users])
    const uses = readUse(client, book, since < at ? since : at, asked)
    await together([turns, uses])
    for (const [index, use] of (await uses).entries()) {
      const meter = adding[index]
      if (meter) used.set(meter.id, use)
    }
  }
  const meterOf = ({ id, limit }: Applying): MeteredLimit => {
    const use = used.get(id)
    return { id, limit, cap: limit.cap, used: use ?? { count: 0n, sum: 0n }, adds: use !== undefined }
  }
  return new Map([...applying].map(([subject, its]) => [subject, its.map(meterOf)]))
}

type Applying = { readonly id: MeterId; readonly limit: Limit; readonly subject: Subject }

/** Which limits hold for each subject: of those for the same, the one for it alone rather than the one for everybody. */
async function readApplying(
  client: Queryable,
  book: BookId,
  { forEverybody, areOthers }: KeptLimits,
  subjects: readonly Subject[],
): Promise<ReadonlyMap<Subject, readonly Applying[]>> {
  if (subjects.length === 0) return new Map()
  const users = [...new Set(subjects.map(({ userId }) => userId))]
  const accounts = [...new Set(subjects.map(({ accountId }) => accountId))]
  const others = areOthers ? await readLimitsOf(client, book, users, accounts) : []
  const known = new Map([...forEverybody, ...others].map((limit) => [nameOf(limit, limit, limit.currency.code), limit]))
  return new Map(subjects.map((subject) => [subject, applyingTo(subject, known)]))
}

function applyingTo(subject: Subject, known: ReadonlyMap<string, Limit>): Applying[] {
  const applying: Applying[] = []
  for (const per of PER) {
    const owner = per === 'user' ? subject.userId : subject.accountId
    for (const span of SPANS) {
      const of = { per, span, kind: subject.kind }
      const own = per === 'user' ? { userId: owner, accountId: null } : { userId: null, accountId: owner }
      const limit = known.get(nameOf(of, own, subject.currency)) ?? known.get(nameOf(of, EVERYBODY, subject.currency))
      if (!limit || (limit.cap.count === null && limit.cap.sum === null)) continue
      applying.push({ id: `${nameOf(of, own, subject.currency)}` as MeterId, limit, subject })
    }
  }
  return applying
}

const EVERYBODY = { userId: null, accountId: null }

type Owner = { readonly userId: string | null; readonly accountId: string | null }

/** What a limit is of, in one text. */
function nameOf(
  { per, span, kind }: { readonly per: Per; readonly span: Span; readonly kind: LimitedKind },
  { userId, accountId }: Owner,
  currency: string,
): string {
  return `${per} ${userId ?? accountId ?? ''} ${kind} ${currency} ${span}`
}

function useOf(per: Per, span: UseOf['span'], { userId, accountId, kind, currency }: Subject): UseOf {
  const owner = per === 'user' ? { userId, accountId: null } : { userId: null, accountId }
  return { ...owner, kind, currency, span }
}

/** A deposit counts for whoever receives it, any other payment for whoever pays; one without a user for nobody. */
function subjectOf({ kind: ofAny, from, to }: PaymentRequest): Subject | undefined {
  const kind = LIMITED_KINDS.find((limited) => limited === ofAny)
  const { id: accountId, userId, currency } = kind === 'deposit' ? to : from
  return kind && userId ? { accountId, userId, kind, currency: currency.code } : undefined
}

function keyOf({ accountId, kind }: Subject): string {
  return `${accountId} ${kind}`
}
