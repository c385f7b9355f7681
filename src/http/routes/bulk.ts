import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import type { IdempotencyKey, PaymentRequest, Submitted } from '../../payments/payment.ts'
import { SomeRefused } from '../../payments/refusals.ts'
import { createRoom, type Room } from '../../payments/room.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError, type FieldError, inputError } from '../errors.ts'
import { keyHeader } from '../idempotency.ts'
import { parseLongList } from '../long_list.ts'
import { parsePrefer } from '../prefer.ts'
import { presentPayment } from '../present.ts'
import { problemOf, toApiError } from '../problem.ts'
import {
  inGroups,
  inTurn,
  LARGEST_BODY,
  linesOfCaller,
  MOST_BEGUN,
  NDJSON,
  type ParsedRecord,
  writeRecords,
} from '../records.ts'
import { type App, describe } from '../route.ts'
import { OneOf, Payment, Problem, SHAPE } from '../schemas.ts'
import { checkedTransfer } from '../transfer.ts'
import { parserOf, validatorExceptBody } from '../validation.ts'
import { madeOf, preferHeader, transferExample, transferFields } from './payments.ts'

const MOST_PAYMENTS = 10_000
/** Payments that are checked and handed in together, about as many as a chunk of a body holds. */
const GROUP = 350
/** Of all requests together, as many payments are under way at once as three of them begin. */
const MOST_UNDER_WAY = 3 * MOST_BEGUN * GROUP

const BulkTransfer = Type.Object(
  {
    ...transferFields,
    idempotency_key: Type.Optional(
      Type.String({
        pattern: '^[\\x20-\\x7e]{1,255}$',
        [SHAPE]: '1 to 255 printable ASCII characters',
        description: '1 to 255 printable characters.',
        examples: ['order-1815'],
      }),
    ),
  },
  { additionalProperties: false, examples: [{ ...transferExample, idempotency_key: 'order-1815' }] },
)

const Envelope = Type.Object(
  {
    payments: Type.Array(BulkTransfer),
    atomic: Type.Optional(Type.Boolean({ description: 'All or none.', examples: [false] })),
  },
  { additionalProperties: false },
)

const Outcome = Type.Object(
  {
    status: Type.Integer({ description: 'What the payment alone would have been answered with.', examples: [201] }),
    payment: Type.Optional(Payment),
    error: Type.Optional(Problem),
    idempotent_replayed: Type.Optional(Type.Boolean()),
  },
  { title: 'BulkOutcome' },
)
type Outcome = { status: number; payment?: object; error?: object; idempotent_replayed?: true }

/** Many payments in one request, each independent, answered in order (api.md, Payments). */
export function bulkRoutes(app: App, gateway: Gateway): void {
  const room = createRoom(Math.min(MOST_UNDER_WAY, gateway.config.mostWaiting))
  app.addContentTypeParser(NDJSON, (_request, payload, done) => done(null, payload))
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) =>
    parseLongList(body, { name: 'payments', most: MOST_PAYMENTS, refuse: () => new ApiError('too_many_payments') }),
  )

  app.post('/v1/payments/bulk', {
    bodyLimit: LARGEST_BODY,
    schema: describe({
      operationId: 'createPayments',
      summary: 'Pay up to 10 000 times',
      description:
        'With `atomic: true` in the JSON body, or `?atomic=true` for NDJSON, all are made in one transaction or none: where ' +
        'one would be declined, or has a mistake, the answer is that error and nothing happened. ' +
        'One JSON body, or NDJSON with one payment a line, which is read and answered as a stream. Each payment has an ' +
        'outcome of its own, in order: a payment (201, or 202 with `Prefer: respond-async`) or an error. With the header ' +
        '`Idempotency-Key`, a payment that carries no key of its own is known by its position.',
      tag: 'Payments',
      errors: [
        'not_found',
        'idempotency_key_reused',
        'too_many_payments',
        'payments_declined',
        'invalid_amount',
        'invalid_id',
      ],
      headers: preferHeader,
      querystring: Type.Object(
        { atomic: Type.Optional(OneOf(['true', 'false'], { description: 'For NDJSON: all or none.' })) },
        { additionalProperties: false },
      ),
      body: { content: { 'application/json': { schema: Envelope }, [NDJSON]: { schema: BulkTransfer } } },
      response: { 200: Type.Object({ data: Type.Array(Outcome) }) },
      line: Outcome,
    }),
    validatorCompiler: validatorExceptBody,
    handler: (request, reply) => payAll(gateway, room, request, reply),
  })
}

async function payAll(
  gateway: Gateway,
  room: Room,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const header = keyHeader(request)
  const { respondAsync } = parsePrefer(request.headers.prefer)
  const asLines = request.body instanceof Readable
  if (isAtomic(request)) return payAtomically(gateway, request, reply, header)
  const groups = groupsOf(gateway, request)
  if (respondAsync) reply.header('preference-applied', 'respond-async')
  const answers = Readable.from(
    writeRecords(answerGroups(gateway, room, request, groups, header, respondAsync), asLines),
  )
  return reply
    .type(asLines ? NDJSON : 'application/json; charset=utf-8')
    .serializer(asIs)
    .send(answers)
}

const asIs = (payload: unknown) => payload as string

function groupsOf(gateway: Gateway, request: FastifyRequest): AsyncIterable<ParsedRecord[]> {
  const { body } = request
  if (body instanceof Readable) return linesOfCaller(gateway, request, body, GROUP)
  return inGroups(parseEnvelope(body).payments, GROUP)
}

const parseEnvelope = parserOf(
  Type.Object(
    { payments: Type.Array(Type.Unknown()), atomic: Type.Optional(Type.Boolean()) },
    { additionalProperties: false },
  ),
)
const parseTransfer = parserOf(BulkTransfer)

function isAtomic(request: FastifyRequest): boolean {
  if ((request.query as { atomic?: string }).atomic === 'true') return true
  return !(request.body instanceof Readable) && parseEnvelope(request.body).atomic === true
}

/** All payments in one transaction, or none and the errors of those that stood in the way, by their position. */
async function payAtomically(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  header: string | undefined,
): Promise<FastifyReply> {
  const { requests, mistakes } = await checkAll(gateway, request, header)
  if (mistakes.length > 0) throw inputError(mistakes)
  const outcomes = await Promise.all(gateway.whole.submitAll(requests)).catch((error: unknown) => {
    throw error instanceof SomeRefused ? refusedProblem(error, requests) : error
  })
  const data = outcomes.map(succeeded)
  if (!(request.body instanceof Readable)) return reply.send({ data })
  return reply
    .type(NDJSON)
    .serializer(asIs)
    .send(data.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''))
}

/** Checks records as they come: what is kept of one is a payment or its mistake, whatever else it is made of. */
async function checkAll(gateway: Gateway, request: FastifyRequest, header: string | undefined) {
  const requests: PaymentRequest[] = []
  const mistakes: FieldError[] = []
  const hashes = new Map<string, string>()
  let position = 0
  for await (const group of atMost(MOST_PAYMENTS, groupsOf(gateway, request))) {
    for (const record of group) {
      const index = position
      position += 1
      const positionKey = header === undefined ? undefined : `${index} ${header}`
      const checked = await checkRecord(gateway, request, record, positionKey).catch(toApiError)
      if (checked instanceof ApiError) {
        mistakes.push(mistakeAt(index, checked))
        continue
      }
      requests.push(checked)
      if (checked.key === null) continue
      const { key, requestHash } = checked.key
      if ((hashes.get(key) ?? requestHash) !== requestHash) mistakes.push(keyReusedAt(index))
      hashes.set(key, requestHash)
    }
  }
  return { requests, mistakes }
}

function mistakeAt(index: number, { code, message, errors: [first] }: ApiError): FieldError {
  const field = `payments[${index}]${first ? `.${first.field}` : ''}`
  return { field, code, detail: first?.detail ?? message }
}

function refusedProblem({ refused }: SomeRefused, requests: readonly PaymentRequest[]): ApiError {
  const errors = requests.flatMap((request, index): FieldError[] => {
    const reason = refused.get(request)
    const field = `payments[${index}]`
    if (reason === 'key_reused') return [keyReusedAt(index)]
    if (reason === 'not_posted') return [{ field, code: 'overloaded', detail: 'is not posted yet' }]
    return reason ? [{ field, code: 'payments_declined', detail: reason }] : []
  })
  return inputError(errors)
}

function keyReusedAt(index: number): FieldError {
  return { field: `payments[${index}]`, code: 'idempotency_key_reused', detail: 'has the key of another payment' }
}

async function* answerGroups(
  gateway: Gateway,
  room: Room,
  request: FastifyRequest,
  groups: AsyncIterable<ParsedRecord[]>,
  header: string | undefined,
  respondAsync: boolean,
): AsyncGenerator<Outcome[]> {
  let position = 0
  const submit = async (group: readonly ParsedRecord[]) => {
    const first = position
    position += group.length
    await room.enter(group.length)
    const begun = submitGroup(gateway, request, group, first, header, respondAsync)
    const leave = () => room.leave(group.length)
    begun.then(({ result }) => result).then(leave, leave)
    return begun
  }
  try {
    yield* inTurn(atMost(MOST_PAYMENTS, groups), submit)
  } catch (error) {
    // The stream of outcomes has begun: what goes wrong with the body now is its last line.
    if (!request.raw.destroyed || request.raw.complete) yield [failed(error)]
  }
}

/** The groups, up to so many payments in all. Throws where there are more. */
async function* atMost(most: number, groups: AsyncIterable<ParsedRecord[]>): AsyncGenerator<ParsedRecord[]> {
  let left = most
  for await (const group of groups) {
    if (left > 0) yield group.slice(0, left)
    left -= group.length
    if (left < 0) throw new ApiError('too_many_payments')
  }
}

/** Hands a group in behind those before it; `result` is when all of it is answered. */
async function submitGroup(
  gateway: Gateway,
  request: FastifyRequest,
  group: readonly ParsedRecord[],
  position: number,
  header: string | undefined,
  respondAsync: boolean,
): Promise<{ readonly result: Promise<Outcome[]> }> {
  const checked = await Promise.all(
    group.map((record, index) =>
      checkRecord(gateway, request, record, header === undefined ? undefined : `${position + index} ${header}`).catch(
        (error: unknown) => failed(error),
      ),
    ),
  )
  const requests = checked.filter((entry): entry is PaymentRequest => 'book' in entry)
  const poster = respondAsync ? gateway.initiator : gateway.poster
  const submitted = poster.submitAll(requests).map((answer) => answer.then(succeeded, failed))
  const result = Promise.all(submitted).then((outcomes) => {
    if (respondAsync) gateway.worker.wake()
    const inOrder = outcomes[Symbol.iterator]()
    return checked.map((entry) => ('book' in entry ? (inOrder.next().value ?? failed(undefined)) : entry))
  })
  return { result }
}

async function checkRecord(
  gateway: Gateway,
  request: FastifyRequest,
  record: ParsedRecord,
  positionKey: string | undefined,
): Promise<PaymentRequest> {
  if (!record.ok) throw record.error
  const { idempotency_key: own, ...body } = parseTransfer(record.value)
  return checkedTransfer(gateway, request, body, keyOf(request, own, positionKey, body))
}

function keyOf(
  request: FastifyRequest,
  own: string | undefined,
  positionKey: string | undefined,
  body: object,
): IdempotencyKey | null {
  const { userId } = sessionOf(request)
  if (own !== undefined) return idempotencyKey(userId, 'payment', own, body)
  return positionKey === undefined ? null : idempotencyKey(userId, 'bulk', positionKey, body)
}

function succeeded(submitted: Submitted): Outcome {
  if (submitted.result === 'key_reused') return failed(new ApiError('idempotency_key_reused'))
  const { payment, replayed } = madeOf(submitted)
  return {
    status: payment.status === 'initiated' ? 202 : 201,
    payment: presentPayment(payment),
    ...(replayed ? { idempotent_replayed: true } : {}),
  }
}

function failed(error: unknown): Outcome {
  const problem = problemOf(toApiError(error))
  return { status: problem.status, error: problem }
}
