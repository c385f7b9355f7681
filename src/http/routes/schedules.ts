import type { FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { readAccount } from '../../accounts/account.ts'
import type { AuditEntry } from '../../audit/audit.ts'
import { readCurrencies } from '../../books/currencies.ts'
import { type Client, inTransaction, type Queryable } from '../../database/connection.ts'
import { parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import { holdUser } from '../../identity/users.ts'
import type { BookId, UserId } from '../../ledger/id.ts'
import { FEE_PAYERS } from '../../ledger/payment.ts'
import { decodeId } from '../../ledger/typeid.ts'
import {
  type ChangeRefused,
  changeSchedule,
  type ScheduleAction,
  type ScheduleUpdate,
  updateSchedule,
} from '../../schedules/change.ts'
import { schedules, schedulesOf } from '../../schedules/list.ts'
import { type Rhythm, timeZoneOf, UNITS } from '../../schedules/rhythm.ts'
import {
  createSchedule,
  type NewSchedule,
  readSchedule,
  type Schedule as StoredSchedule,
} from '../../schedules/schedule.ts'
import { positiveAmountOf } from '../amount.ts'
import { actorOf, isOperator, seesAll, sessionOf } from '../authentication.ts'
import { openCurrencyOf } from '../currency.ts'
import { ApiError, fieldError } from '../errors.ts'
import { expansionsOf, SCHEDULE_POINTERS } from '../expand.ts'
import { answerOnce } from '../idempotency.ts'
import { sendList } from '../list.ts'
import { presentSchedule } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { Amount, Description, FutureTime, IdOf, Metadata, Nullable, OneOf, PageOf, Schedule } from '../schemas.ts'
import { checkedTransfer } from '../transfer.ts'

const tag = 'Payments'
const params = Type.Object({ id: Type.String({ examples: ['sch_01k3v5f6h2m8q4t0v6x2z8b4d5'] }) })

const whole = (minimum: number, maximum: number, example: number, description: string) =>
  Type.Integer({ minimum, maximum, description, examples: [example] })

const Wish = Type.Object(
  {
    from_account: IdOf('acc'),
    to_account: IdOf('acc'),
    amount: Amount,
    fee_payer: Type.Optional(OneOf(FEE_PAYERS)),
    starts_at: FutureTime,
    every: Type.Optional(Nullable(OneOf(UNITS, { description: 'Null or left out: once.', examples: ['month'] }))),
    interval: Type.Optional(whole(1, 1_000, 1, 'Every so many days, weeks or months (default 1).')),
    time_zone: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The IANA’s name of the zone by whose clock and calendar it recurs (default UTC).',
        examples: ['Europe/Prague'],
      }),
    ),
    ends_at: Type.Optional(
      Nullable(
        Type.String({
          format: 'date-time',
          description: 'Nothing falls due later.',
          examples: ['2109-12-31T12:00:00.000000Z'],
        }),
      ),
    ),
    count: Type.Optional(Nullable(whole(1, 100_000, 12, 'Nothing falls due more often.'))),
    retry_times: Type.Optional(whole(0, 100, 3, 'How often a declined one is tried again (default 0).')),
    retry_every_minutes: Type.Optional(whole(1, 525_600, 1_440, 'How long after each attempt (default a day).')),
    description: Type.Optional(Nullable(Description)),
    metadata: Type.Optional(Metadata),
  },
  { additionalProperties: false },
)
type Wished = Static<typeof Wish>

const Change = Type.Object(
  {
    amount: Type.Optional(Amount),
    next_at: Type.Optional(FutureTime),
    ...Type.Pick(Wish, [
      'fee_payer',
      'ends_at',
      'count',
      'retry_times',
      'retry_every_minutes',
      'description',
      'metadata',
    ]).properties,
  },
  { additionalProperties: false, minProperties: 1 },
)

/** Payments that are made at a time, or again and again (docs/scheduled.md). */
export function scheduleRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.post('/v1/schedules', {
    schema: describe({
      operationId: 'createSchedule',
      summary: 'Pay at a time, or every day, week or month',
      description:
        'Each occurrence is a payment of its own, made once when it falls due: `GET /v1/payments?schedule_id=` has them. ' +
        'It recurs at the time of day of `starts_at` in `time_zone`, on its day of the month or the last one of a shorter month.',
      tag,
      errors: [
        ...(['not_found', 'account_closed', 'currency_closed', 'invalid_amount', 'invalid_id'] as const),
        'idempotency_key_reused',
      ],
      body: Wish,
      response: { 201: Schedule },
    }),
    handler: async (request, reply) => {
      const { book, userId } = sessionOf(request)
      const wish = await checkedWish(gateway, request, request.body)
      const audit = auditOf(request, 'create', wish.userId, userId)
      return answerOnce(pool, request, reply, async (client) => {
        await requireOpen(client, book, wish)
        const schedule = await createSchedule(client, book, wish, audit)
        if (!schedule) throw fieldError('starts_at', 'invalid_value', 'must be in the future')
        return { status: 201, body: presentSchedule(schedule) }
      })
    },
  })

  app.get('/v1/schedules', {
    schema: describe({
      operationId: 'listSchedules',
      summary: 'Your scheduled and recurring payments',
      tag,
      querystring: listQuery(schedules.fields, Object.keys(SCHEDULE_POINTERS)),
      response: { 200: PageOf(Schedule) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      const scope = schedulesOf(home, userId)
      const expand = expansionsOf(pool, home, sessionOf(request), SCHEDULE_POINTERS)
      return sendList(pool, request, reply, { spec: schedules, scope, present: presentSchedule, expand })
    },
  })

  app.get('/v1/schedules/:id', {
    schema: describe({
      operationId: 'getSchedule',
      summary: 'One scheduled or recurring payment',
      tag,
      errors: ['not_found'],
      params,
      response: { 200: Schedule },
    }),
    handler: async (request) => presentSchedule(await visibleSchedule(pool, request, request.params.id)),
  })

  changeRoute(app, gateway)
  actionRoute(app, gateway, 'pause', 'Let nothing be paid until it is resumed')
  actionRoute(app, gateway, 'resume', 'Pay again, from what falls due next; what fell due meanwhile is left out')
  actionRoute(app, gateway, 'cancel', 'End it for good')
}

function changeRoute(app: App, { pool }: Gateway): void {
  app.patch('/v1/schedules/:id', {
    schema: describe({
      operationId: 'updateSchedule',
      summary: 'Change what is paid, until when, and when next',
      description:
        'What is left out stays. It counts from the next payment on. With `next_at` the next one falls due then, and those ' +
        'behind it recur from there. Where nothing is to come any more the schedule has ended.',
      tag,
      errors: ['not_found', 'schedule_over', 'invalid_amount'],
      params,
      body: Change,
      response: { 200: Schedule },
    }),
    handler: async (request) => {
      const { userId: caller, book } = sessionOf(request)
      const schedule = await ownSchedule(pool, request, request.params.id)
      const update = updateOf(request.body, schedule)
      const audit = auditOf(request, 'update', schedule.userId, caller, withoutTexts(request.body))
      const updated = await inTransaction(pool, (client) => updateSchedule(client, book, schedule.id, update, audit))
      if (updated.ok) return presentSchedule(updated.schedule)
      throw refusalOf(updated)
    },
  })
}

function updateOf(body: Static<typeof Change>, { currency }: StoredSchedule): ScheduleUpdate {
  const amount = body.amount === undefined ? undefined : positiveAmountOf(body.amount, currency, 'amount')
  return {
    amount,
    feePayer: body.fee_payer,
    description: body.description,
    metadata: body.metadata,
    nextAt: body.next_at === undefined ? undefined : parseInstant(body.next_at),
    endsAt: typeof body.ends_at === 'string' ? parseInstant(body.ends_at) : body.ends_at,
    count: body.count,
    retryTimes: body.retry_times,
    retryEveryMinutes: body.retry_every_minutes,
  }
}

function refusalOf(refused: ChangeRefused): ApiError {
  switch (refused.refusal) {
    case 'over':
      return new ApiError('schedule_over', undefined, [
        { field: 'status', code: 'schedule_over', detail: refused.status },
      ])
    case 'next_not_ahead':
      return fieldError('next_at', 'invalid_value', 'must be in the future')
    case 'next_after_end':
      return fieldError('next_at', 'invalid_value', 'must not be after ends_at')
    case 'end_before_start':
      return fieldError('ends_at', 'invalid_value', 'must not be before starts_at')
  }
}

function actionRoute(app: App, { pool }: Gateway, action: ScheduleAction, summary: string): void {
  app.post(`/v1/schedules/:id/${action}`, {
    schema: describe({
      operationId: `${action}Schedule`,
      summary,
      tag,
      errors: ['not_found', 'schedule_over', 'unknown_field', 'unsupported_media_type', 'outcome_unknown'],
      params,
      response: { 200: Schedule },
    }),
    handler: async (request) => {
      const session = sessionOf(request)
      const { id, userId } = await ownSchedule(pool, request, (request.params as { id: string }).id)
      const audit = auditOf(request, action, userId, session.userId)
      const changed = await inTransaction(pool, (client) => changeSchedule(client, session.book, id, action, audit))
      if (changed.ok) return presentSchedule(changed.schedule)
      throw refusalOf(changed)
    },
  })
}

/** A change as the audit log keeps it: that texts were set, not what they say, as they are the owner's to have erased. */
function withoutTexts({ description, metadata, ...rest }: Static<typeof Change>): AuditEntry['detail'] {
  const texts = Object.entries({ description, metadata }).flatMap(([name, text]) => (text === undefined ? [] : [name]))
  return texts.length === 0 ? rest : { ...rest, texts }
}

/** A line of the audit log where an operator does what is another user's to do. */
function auditOf(
  request: FastifyRequest,
  verb: string,
  owner: UserId,
  caller: UserId,
  detail: AuditEntry['detail'] = {},
): AuditEntry | null {
  return owner === caller ? null : { actor: actorOf(request), action: `schedule.${verb}`, objectId: null, detail }
}

/** A schedule of the caller’s own, or any of the book for who sees all of it. Throws `not_found` otherwise. */
async function visibleSchedule(client: Queryable, request: FastifyRequest, text: string): Promise<StoredSchedule> {
  const session = sessionOf(request)
  const id = decodeId('sch', text)
  const schedule = id && (await readSchedule(client, session.book, id))
  if (!schedule || (schedule.userId !== session.userId && !seesAll(session))) throw new ApiError('not_found')
  return schedule
}

/** One that the caller may change: their own, or an operator's to change. */
async function ownSchedule(client: Queryable, request: FastifyRequest, text: string): Promise<StoredSchedule> {
  const session = sessionOf(request)
  const schedule = await visibleSchedule(client, request, text)
  if (schedule.userId !== session.userId && !isOperator(session)) throw new ApiError('forbidden')
  return schedule
}

/** A body that its schema has let through, held against the accounts that it names, as for a payment, and the calendar. */
async function checkedWish(gateway: Gateway, request: FastifyRequest, body: Wished): Promise<NewSchedule> {
  const { from_account, to_account, amount: written, fee_payer = 'receiver', description = null, metadata = {} } = body
  const transfer = { from_account, to_account, amount: written, fee_payer, description, metadata }
  const { from, to, amount, currency } = await checkedTransfer(gateway, request, transfer, null)
  if (!from.userId) throw new Error('a transfer that was checked is out of a user’s account')
  if (from.id === to.id) throw fieldError('to_account', 'invalid_value', 'is the account that pays')
  if (to.currency.code !== currency.code) throw fieldError('to_account', 'invalid_value', 'is in another currency')
  const { retry_times: times = 0, retry_every_minutes: everyMinutes = 1_440 } = body
  const rhythm = rhythmOf(body)
  const parts = { amount, currency, feePayer: fee_payer, description, metadata }
  return { userId: from.userId, from: from.id, to: to.id, ...parts, rhythm, retry: { times, everyMinutes } }
}

/** Refuses a schedule that could pay nothing: of a closed account, which is so for good, or in a closed currency. */
async function requireOpen(client: Client, book: BookId, { userId, from, to, currency }: NewSchedule): Promise<void> {
  // Whoever closes their user at this moment does so before, and then the account is closed, or finds the schedule.
  await holdUser(client, book, userId)
  for (const [field, id] of [
    ['from_account', from],
    ['to_account', to],
  ] as const) {
    const account = await readAccount(client, book, id)
    if (account?.status === 'closed') throw fieldError(field, 'account_closed', 'is closed')
  }
  openCurrencyOf(await readCurrencies(client, book), currency.code, 'from_account')
}

function rhythmOf({ starts_at, every = null, interval = 1, time_zone = 'UTC', ends_at, count = null }: Wished): Rhythm {
  const startsAt = parseInstant(starts_at)
  if (startsAt === undefined) throw fieldError('starts_at', 'invalid_value', 'is no time')
  const timeZone = timeZoneOf(time_zone)
  if (timeZone === undefined) throw fieldError('time_zone', 'invalid_value', 'is no time zone of the IANA')
  const endsAt = ends_at == null ? null : parseInstant(ends_at)
  if (endsAt === undefined || (endsAt !== null && endsAt < startsAt)) {
    throw fieldError('ends_at', 'invalid_value', 'must not be before starts_at')
  }
  return { startsAt, startNumber: 0, every, interval, timeZone, endsAt, count }
}
