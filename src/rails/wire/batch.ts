import { type Actor, writeAudit } from '../../audit/audit.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import type { Client, Queryable } from '../../database/connection.ts'
import { formatInstant } from '../../database/instant.ts'
import type { SecretBox } from '../../database/secret_box.ts'
import type { BookId, PaymentId, WireBatchId } from '../../ledger/id.ts'
import { type FeePayer, netAmount } from '../../ledger/payment.ts'
import { encodeId } from '../../ledger/typeid.ts'
import type { Log } from '../../log.ts'
import type { Currency } from '../../money/currency.ts'
import { destinationOf } from '../../payments/instructions.ts'
import type { Destination } from '../rail.ts'
import { openDestination } from '../submitter.ts'
import type { WireBatch } from './batch_list.ts'
import { bankForm, wireReference } from './matching.ts'
import type { OwnAccount } from './own_accounts.ts'
import { type OrderedPayment, type PainVersion, problemOfPayment, writePain001 } from './pain.ts'

// Withdrawals by wire on their way to a bank: collected into an order, each into one order ever, and downloaded.

/** The most payments of one batch: more are left for the next. */
export const MOST_IN_BATCH = 5_000

export type BatchWish = {
  readonly currency: Currency
  readonly account: OwnAccount
  /** Whose the account is. */
  readonly name: string
  readonly version: PainVersion
  /** When the bank is to pay; null for today. */
  readonly requestedDate: string | null
  /** Whether the bank is asked to book it in one. */
  readonly batchBooking: boolean
  readonly most: number
}

/** A withdrawal that no bank would take: it waits on, until an operator cancels it. */
export type LeftOut = { readonly payment: PaymentId; readonly problem: string }

export type Collected =
  | { readonly ok: true; readonly batch: WireBatch; readonly leftOut: readonly LeftOut[] }
  /** Nothing waits that can be ordered. */
  | { readonly ok: false; readonly refusal: 'nothing'; readonly leftOut: readonly LeftOut[] }
  /** No bank would take the order as a whole. */
  | { readonly ok: false; readonly refusal: 'impossible'; readonly problem: string }

/**
 * Collects what waits for the bank of that account into one order, in the caller's transaction: whoever collects at the
 * same moment, and whoever cancels, gets other withdrawals. Audited.
 */
export async function collectBatch(
  client: Client,
  secretBox: SecretBox,
  book: BookId,
  wish: BatchWish,
  actor: Actor,
  log: Log,
): Promise<Collected> {
  const { currency, account, name, version, batchBooking } = wish
  const { ordered, leftOut } = await findOrdered(client, secretBox, book, wish, log)
  if (ordered.length === 0) return { ok: false, refusal: 'nothing', leftOut }
  const at = await readClock(client)
  const newId = idsAt(at)
  const id = newId<'wire_batch'>()
  const createdAt = formatInstant(at)
  const messageId = bankForm(encodeId('wbt', id))
  const requestedDate = wish.requestedDate ?? createdAt.slice(0, 10)
  const payments = ordered.map(({ order }) => order)
  const debtor = { name, iban: account.iban, bic: account.bic }
  const order = { version, messageId, createdAt, debtor, requestedDate, currency, batchBooking, payments }
  const written = writePain001(order)
  if (!written.ok) return { ok: false, refusal: 'impossible', problem: written.problem }
  const total = payments.reduce((sum, { amount }) => sum + amount, 0n)
  const { iban } = account
  const batch: WireBatch = {
    ...{ id, messageId, version, account: iban, currency, requestedDate, payments: payments.length, total },
    ...{ createdBy: actor.userId, createdAt },
  }
  await writeBatch(client, book, batch, secretBox.seal(written.xml, placeOfFile(book, id)), ordered)
  const detail = { batch: encodeId('wbt', id), account: iban, currency: currency.code, payments: payments.length }
  await writeAudit(client, book, at, newId, [{ actor, action: 'wire_batch.create', objectId: id, detail }])
  return { ok: true, batch, leftOut }
}

type Found = { readonly ordered: readonly Ordered[]; readonly leftOut: readonly LeftOut[] }

/** The oldest that the order can hold, their rows locked, and those among them that it cannot: these take the place of none. */
async function findOrdered(
  client: Client,
  secretBox: SecretBox,
  book: BookId,
  { currency, version, most }: BatchWish,
  log: Log,
): Promise<Found> {
  const ordered: Ordered[] = []
  const leftOut: LeftOut[] = []
  for (let last: PaymentId | null = null; ordered.length < most; ) {
    // More at a time the more are left out: thousands of these are few reads.
    const wanted = Math.min(most - ordered.length + leftOut.length, MOST_IN_BATCH)
    const waiting: Waiting[] = await lockWaiting(client, book, currency, last, wanted)
    for (const row of waiting) {
      if (ordered.length === most) break
      const made = orderOf(secretBox, book, row, version, log)
      if (made.ok) ordered.push({ id: row.id, order: made.order })
      else leftOut.push({ payment: row.id, problem: made.problem })
    }
    if (waiting.length < wanted) break
    last = waiting.at(-1)?.id ?? null
  }
  return { ordered, leftOut }
}

type Waiting = {
  id: PaymentId
  amount: bigint
  fee: bigint
  fee_payer: FeePayer
  description: string | null
  /** Null where the key of the user is lost. */
  destination: Buffer | null
}

type Ordered = { readonly id: PaymentId; readonly order: OrderedPayment }

/** The oldest behind `last`. Whatever anybody else is busy with is left to the next batch. Index: rail_instructions_to_collect. */
async function lockWaiting(
  client: Client,
  book: BookId,
  currency: Currency,
  last: PaymentId | null,
  most: number,
): Promise<Waiting[]> {
  const { rows } = await client.query<Waiting>(
    `select p.id, p.amount, p.fee, p.fee_payer,
            shown_text(p.book, a.user_id, p.description) as description, ${destinationOf('i')} as destination
       from rail_instructions i
       join payments p on p.book = i.book and p.id = i.payment_id
       join accounts a on a.book = p.book and a.id = p.from_account
      where i.book = $1 and a.status <> 'frozen' and i.rail = 'wire' and i.state = 'waiting' and i.attempt_at is null and i.direction = 'out'
        and p.status = 'pending' and p.currency = $2 and ($4::uuid is null or i.payment_id > $4)
      order by i.payment_id
      limit $3
        for no key update of i, p skip locked`,
    [book, currency.code, most, last],
  )
  return rows
}

type Made = { readonly ok: true; readonly order: OrderedPayment } | { readonly ok: false; readonly problem: string }

/** What the bank is asked to do about a withdrawal, or why it cannot be asked. */
function orderOf(
  secretBox: SecretBox,
  book: BookId,
  { id, destination, ...row }: Waiting,
  version: PainVersion,
  log: Log,
): Made {
  if (!destination) return { ok: false, problem: 'the destination is lost, as the key of its user is' }
  let opened: Destination
  try {
    opened = openDestination(secretBox, book, id, destination)
  } catch (error) {
    // It keeps no other waiting.
    log.warn({ err: error, payment: id }, 'the destination of a withdrawal cannot be opened')
    return { ok: false, problem: 'the destination cannot be opened with the keys of this gateway' }
  }
  const { name = '', iban = '', bic = null } = opened
  const amount = netAmount({ amount: row.amount, fee: row.fee, feePayer: row.fee_payer })
  const remittance = row.description ?? ''
  const order = { endToEndId: wireReference(id), amount, creditor: { name, iban, bic }, remittance }
  const problem = problemOfPayment(order, version)
  return problem === undefined ? { ok: true, order } : { ok: false, problem }
}

/** Where the file of a batch is sealed for. */
function placeOfFile(book: BookId, id: WireBatchId): string {
  return `wire batch ${book}/${id}`
}

async function writeBatch(
  client: Client,
  book: BookId,
  batch: WireBatch,
  file: Buffer,
  ordered: readonly Ordered[],
): Promise<void> {
  const { id, messageId, version, account, currency, requestedDate, payments, total, createdBy, createdAt } = batch
  await client.query(
    `insert into wire_batches (book, id, message_id, version, account, currency, requested_date, payments, total, file,
                               created_by, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      ...[book, id, messageId, version, account, currency.code, requestedDate, payments, total, file, createdBy],
      createdAt,
    ],
  )
  const ids = ordered.map((each) => each.id)
  await client.query(
    `insert into wire_batch_payments (book, batch_id, payment_id, amount)
     select $1, $2, v.* from unnest($3::uuid[], $4::numeric[]) as v`,
    [book, id, ids, ordered.map(({ order }) => order.amount)],
  )
  // From here it is too late to cancel: the bank may have it.
  await client.query(
    `update rail_instructions set state = 'submitted', attempts = 1 where book = $1 and payment_id = any($2::uuid[])`,
    [book, ids],
  )
}

/** The order of a batch, byte for byte as it was written; undefined where the book has no such batch. Audited. */
export async function downloadBatch(
  client: Client,
  secretBox: SecretBox,
  book: BookId,
  id: WireBatchId,
  actor: Actor,
): Promise<{ readonly messageId: string; readonly xml: string } | undefined> {
  const row = await readFile(client, book, id)
  if (!row) return undefined
  const at = await readClock(client)
  const entry = { actor, action: 'wire_batch.download', objectId: id, detail: { batch: encodeId('wbt', id) } }
  await writeAudit(client, book, at, idsAt(at), [entry])
  return { messageId: row.message_id, xml: secretBox.open(row.file, placeOfFile(book, id)) }
}

async function readFile(client: Queryable, book: BookId, id: WireBatchId) {
  const { rows } = await client.query<{ message_id: string; file: Buffer }>(
    'select message_id, file from wire_batches where book = $1 and id = $2',
    [book, id],
  )
  return rows[0]
}
