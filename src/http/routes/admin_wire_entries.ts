import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Actor } from '../../audit/audit.ts'
import type { Client } from '../../database/connection.ts'
import { readPage } from '../../database/list.ts'
import type { Gateway } from '../../gateway.ts'
import type { BankEntryId, BookId, PaymentId } from '../../ledger/id.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { acceptEntry, ignoreEntry, type Reconciled, suspendEntry } from '../../rails/wire/reconcile.ts'
import { bankEntries, bankEntriesIn } from '../../rails/wire/reconciliation.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError, fieldError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { type App, describe } from '../route.ts'
import { IdOf, ReasonBody } from '../schemas.ts'
import { BankEntryBody, presentEntry } from './admin_wire.ts'
import { problemOfEnd } from './payment_actions.ts'

const tag = 'Operators'
const params = Type.Object({ id: Type.String({ examples: ['bke_01k3v5f7a3c5e7g9j1m3p5r7t9'] }) })

/** What operators say of movements that wait for them (docs/wire.md). */
export function wireEntryRoutes(app: App, gateway: Gateway): void {
  const { directory, intake } = gateway

  app.post('/v1/admin/wire/entries/:id/accept', {
    schema: describe({
      operationId: 'acceptBankEntry',
      summary: 'Say which payment a movement is',
      description:
        'A deposit or withdrawal by wire, one of the suggestions or another. Pending, it is settled: a deposit of another ' +
        'amount fails and its money goes to `suspense`; of a withdrawal the difference does. One that was settled by hand or ' +
        'by its rail is noted, and only what the amounts differ goes to `suspense`. Audited.',
      tag,
      errors: ['not_found', 'invalid_id', 'already_resolved', 'payment_not_pending', 'idempotency_key_reused'],
      params,
      body: Type.Object({ payment_id: IdOf('pay') }, { additionalProperties: false }),
      response: { 200: BankEntryBody },
    }),
    handler: (request, reply) => {
      const payment = decodeId('pay', request.body.payment_id)
      if (!payment) throw fieldError('payment_id', 'invalid_id', 'must be an id such as pay_…')
      return reconcile(gateway, request, reply, request.params.id, (client, book, id, actor) =>
        acceptEntry(client, { directory, intake }, book, id, payment, actor),
      )
    },
  })

  app.post('/v1/admin/wire/entries/:id/suspend', {
    schema: describe({
      operationId: 'suspendBankEntry',
      summary: 'Say that a movement is none of the payments',
      description: 'It is booked to `suspense`, from where it goes to whom it belongs. Audited, with the reason.',
      tag,
      errors: ['not_found', 'already_resolved', 'idempotency_key_reused'],
      params,
      body: ReasonBody,
      response: { 200: BankEntryBody },
    }),
    handler: (request, reply) => {
      const { reason } = request.body
      return reconcile(gateway, request, reply, request.params.id, (client, book, id, actor) =>
        suspendEntry(client, { directory, intake }, book, id, reason, actor),
      )
    },
  })

  app.post('/v1/admin/wire/entries/:id/ignore', {
    schema: describe({
      operationId: 'ignoreBankEntry',
      summary: 'Say that a movement is none for the books',
      description:
        'The books have it already, or it is from before they began. Nothing is booked; accepted or suspended later it is, ' +
        'all the same. Audited, with the reason.',
      tag,
      errors: ['not_found', 'already_resolved', 'idempotency_key_reused'],
      params,
      body: ReasonBody,
      response: { 200: BankEntryBody },
    }),
    handler: (request, reply) => {
      const { reason } = request.body
      return reconcile(gateway, request, reply, request.params.id, (client, book, id, actor) =>
        ignoreEntry(client, book, id, reason, actor),
      )
    },
  })
}

type Work = (client: Client, book: BookId, id: BankEntryId, actor: Actor) => Promise<Reconciled>

async function reconcile(
  { deciding, watch }: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  text: string,
  work: Work,
): Promise<FastifyReply> {
  const { book } = sessionOf(request)
  const id = decodeId('bke', text)
  if (!id) throw new ApiError('not_found')
  let touched: readonly PaymentId[] = []
  const answer = await answerOnce(deciding, request, reply, async (client) => {
    const done = await work(client, book, id, actorOf(request))
    if (!done.ok) throw problemOf(done)
    touched = done.touched
    return { status: 200, body: await readEntry(client, book, text) }
  })
  watch.tell(touched)
  return answer
}

function problemOf(refused: Extract<Reconciled, { ok: false }>): ApiError {
  if (refused.refusal === 'not_pending') return problemOfEnd('not_pending', refused.status)
  if (refused.refusal !== 'other_payment') return new ApiError(refused.refusal)
  return fieldError('payment_id', 'invalid_value', 'is no payment by wire that this movement can be')
}

async function readEntry(client: Client, book: BookId, id: string): Promise<object> {
  const filters = [{ parameter: 'id', field: 'id', operator: 'eq', value: id } as const]
  const query = { filters, sort: [], limit: 1, cursor: null }
  const [entry] = (await readPage(client, bankEntries, bankEntriesIn(book), query)).data
  if (!entry) throw new Error('a movement that was reconciled is there')
  return presentEntry(entry)
}
