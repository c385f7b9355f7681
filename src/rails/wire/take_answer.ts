import { createHash } from 'node:crypto'
import { type Actor, writeAudit } from '../../audit/audit.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import type { Client } from '../../database/connection.ts'
import type { BankFileId, BookId, PaymentId, WireBatchId } from '../../ledger/id.ts'
import { encodeId } from '../../ledger/typeid.ts'
import type { Currency } from '../../money/currency.ts'
import { unitsOf } from './camt_values.ts'
import { wireReference } from './matching.ts'
import { type OrderAnswer, overallStatus, rejectedBy, type SaidOfAll } from './order_answer.ts'
import { readTakenFile, type Upload } from './taken_file.ts'
import { writeFile } from './write.ts'

/** The order that is answered. `total` in minor units of `currency`. */
type Order = { readonly id: WireBatchId; readonly version: string; readonly total: bigint; readonly currency: Currency }

/** A payment of it, by its end-to-end id; what the bank is to pay in minor units. */
type Payments = ReadonlyMap<string, { readonly id: PaymentId; readonly amount: bigint }>

/**
 * Takes the answer to an order, in the caller's transaction: all of it, once, and none of it where it does not fit the order.
 * What it accepts needs nothing; the payments that it rejects are noted, and fail afterwards (reject.ts). Audited.
 */
export async function takeAnswer(
  client: Client,
  book: BookId,
  sha256: Buffer,
  answer: OrderAnswer,
  actor: Actor,
): Promise<Upload> {
  const order = await readOrder(client, book, answer.orderId)
  if (!order) return { ok: false, problem: `answers ${answer.orderId}, which is no order of the book` }
  const content = createHash('sha256').update(JSON.stringify(answer)).digest()
  const earlier = await findEarlier(client, book, order.id, answer.messageId)
  if (earlier && !earlier.content.equals(content)) {
    return { ok: false, problem: `says something else than the message ${answer.messageId} did before` }
  }
  if (earlier) return { ok: true, file: await readTakenFile(client, book, earlier.id), known: true }
  const payments = await readOrdered(client, book, order.id)
  const problem = problemOf(answer, order, payments)
  if (problem) return { ok: false, problem }

  const at = await readClock(client)
  const newId = idsAt(at)
  const id = newId<'bank_file'>()
  const { kind, version, messageId } = answer
  const taken = { id, kind, version, messageId, sha256: sha256.toString('hex'), uploadedBy: actor.userId }
  const status = overallStatus(answer)
  await writeFile(client, book, at, taken, [], { batch: order.id, content, status })
  const rejected = rejectedBy(answer, [...payments.keys()])
  await client.query(
    `update wire_batch_payments w
        set rejection = 'due', reject_reason = v.reason, rejected_by = $3
       from (select $1::int as book, unnest($4::uuid[]) as id, unnest($5::text[]) as reason) as v
      where w.book = v.book and w.payment_id = v.id and w.batch_id = $2 and w.rejection is null`,
    [
      ...[book, order.id, id, rejected.map(({ endToEndId }) => payments.get(endToEndId)?.id ?? null)],
      rejected.map(({ reason }) => reason),
    ],
  )
  const detail = { file: encodeId('bkf', id), kind, message_id: messageId, sha256: taken.sha256, status }
  const said = { ...detail, batch: encodeId('wbt', order.id), rejected: rejected.length }
  await writeAudit(client, book, at, newId, [{ actor, action: 'bank_file.take', objectId: id, detail: said }])
  return { ok: true, known: false, file: await readTakenFile(client, book, id) }
}

async function readOrder(client: Client, book: BookId, messageId: string): Promise<Order | undefined> {
  const { rows } = await client.query<Omit<Order, 'currency'> & { code: string; digits: number }>(
    `select b.id, b.version, b.total, b.currency as code, c.digits
       from wire_batches b
       join currencies c on c.book = b.book and c.code = b.currency
      where b.book = $1 and b.message_id = $2`,
    [book, messageId],
  )
  if (!rows[0]) return undefined
  const { id, version, total, code, digits } = rows[0]
  return { id, version, total, currency: { code, digits } }
}

async function readOrdered(client: Client, book: BookId, batch: WireBatchId): Promise<Payments> {
  const { rows } = await client.query<{ payment_id: PaymentId; amount: bigint }>(
    'select payment_id, amount from wire_batch_payments where book = $1 and batch_id = $2 order by payment_id',
    [book, batch],
  )
  return new Map(rows.map(({ payment_id: id, amount }) => [wireReference(id), { id, amount }]))
}

async function findEarlier(client: Client, book: BookId, batch: WireBatchId, messageId: string) {
  const { rows } = await client.query<{ id: BankFileId; content: Buffer }>(
    'select id, content from bank_files where book = $1 and batch_id = $2 and message_id = $3',
    [book, batch, messageId],
  )
  return rows[0]
}

/** Why it cannot be the answer to this order: a sentence without its subject. */
function problemOf(answer: OrderAnswer, order: Order, payments: Payments): string | undefined {
  const { orderId, orderName, whole, instruction } = answer
  if (!['pain.001', `pain.001.001.${order.version}`].includes(orderName)) {
    return `answers a ${orderName}, which ${orderId} was not`
  }
  if (instruction && instruction.id !== orderId)
    return `answers the instruction ${instruction.id}, which is none of ours`
  for (const { endToEndId, amount } of answer.payments) {
    const payment = payments.get(endToEndId)
    if (!payment) return `answers the payment ${endToEndId}, which is not in the order ${orderId}`
    const { code, digits } = order.currency
    if (amount && (amount.currency !== code || unitsOf(amount.text, digits) !== payment.amount)) {
      return `has another amount of the payment ${endToEndId} than the order`
    }
  }
  const rejected = rejectedBy(answer, [...payments.keys()])
  const sum = rejected.reduce((total, { endToEndId }) => total + (payments.get(endToEndId)?.amount ?? 0n), 0n)
  for (const said of [whole, ...(instruction ? [instruction] : [])]) {
    const problem = problemOfSums(said, order, payments.size, { count: rejected.length, sum })
    if (problem) return problem
  }
  return undefined
}

function problemOfSums(
  said: SaidOfAll,
  { total, currency }: Order,
  count: number,
  rejected: { readonly count: number; readonly sum: bigint },
): string | undefined {
  const differs = (written: string | null | undefined, units: bigint) =>
    written != null && unitsOf(written, currency.digits) !== units
  if (said.count !== null && said.count !== count) return `has another number of payments than the order, ${said.count}`
  if (differs(said.sum, total)) return `has another sum than the order, ${said.sum}`
  if (!said.rejected) return undefined
  if (said.rejected.count !== rejected.count) return 'rejects another number of payments than it says'
  return differs(said.rejected.sum, rejected.sum) ? 'rejects another sum than it says' : undefined
}
