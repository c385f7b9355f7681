import { Type } from 'typebox'
import { onceCommitted } from '../../database/faults.ts'
import type { Gateway } from '../../gateway.ts'
import { encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { takeBankFile } from '../../rails/wire/import.ts'
import { type BankEntry, bankEntries, bankEntriesIn, ENTRY_STATUSES } from '../../rails/wire/reconciliation.ts'
import { bankFiles, bankFilesIn, FILE_KINDS, type TakenAnswer, type TakenFile } from '../../rails/wire/taken_file.ts'
import { LARGEST_FILE } from '../../rails/wire/xml.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { CurrencyCode, IdOf, Money, Nullable, OneOf, Time } from '../schemas.ts'
import { validatorExceptBody } from '../validation.ts'
import { listRoute } from './admin_list.ts'

const tag = 'Operators'

const Day = Type.String({ description: 'A day of the bank.', examples: ['2026-11-24'] })
const Check = Type.Unsafe<object | null>({
  type: ['object', 'null'],
  description:
    'A balance at the bank, in the books once the file was settled, as of that place in it, and by how much the bank has more.',
  properties: { bank: Money, books: Money, difference: Money },
  required: ['bank', 'books', 'difference'],
})

const BankFileBody = Type.Object(
  {
    id: IdOf('bkf'),
    kind: OneOf(FILE_KINDS),
    version: Type.String({ examples: ['08'] }),
    message_id: Type.String(),
    sha256: Type.String({ description: 'Of the file, in hexadecimal.' }),
    uploaded_by: Nullable(IdOf('usr')),
    created_at: Time,
    settled_at: Nullable(Time),
    statements: Type.Array(
      Type.Object({
        statement_id: Type.String(),
        account: Type.String({ description: 'The IBAN of the own account.', examples: ['DE89370400440532013000'] }),
        currency: CurrencyCode,
        opening: Check,
        closing: Check,
        added: Type.Integer({ description: 'Booked movements that no file had before.' }),
        known: Type.Integer({
          description: 'Booked movements that an earlier file had, and that are not taken again.',
        }),
        matched: Type.Integer({ description: 'Of those added: deposits and withdrawals that they are.' }),
        suspense: Type.Integer({ description: 'Of those added: booked to `suspense`.' }),
        unmatched: Type.Integer({ description: 'Of those added: waiting for an operator.' }),
      }),
    ),
    answer: Type.Unsafe<object | null>({
      type: ['object', 'null'],
      description: 'Of a pain.002: which order it answers, and what became of the payments that it rejects.',
      properties: {
        batch_id: IdOf('wbt'),
        status: Nullable(Type.String({ description: 'A code of ISO 20022.', examples: ['PART'] })),
        rejected: Type.Integer({ description: 'That no answer had rejected before.' }),
        failed: Type.Integer({ description: 'Of those: withdrawals that failed by it.' }),
        ignored: Type.Integer({ description: 'Of those: what was paid or over already, and stays as it is.' }),
      },
      required: ['batch_id', 'status', 'rejected', 'failed', 'ignored'],
    }),
  },
  { title: 'BankFile' },
)

export const BankEntryBody = Type.Object(
  {
    id: IdOf('bke'),
    file_id: IdOf('bkf'),
    account: Type.String({ description: 'The IBAN of the own account.' }),
    currency: CurrencyCode,
    direction: OneOf(['in', 'out']),
    amount: Money,
    reversal: Type.Boolean({ description: 'It takes back an earlier one.' }),
    return_reason: Nullable(
      Type.String({ description: 'Why it came back, where it is a return.', examples: ['AC04'] }),
    ),
    booking_date: Nullable(Day),
    value_date: Nullable(Day),
    end_to_end_id: Nullable(Type.String()),
    servicer_reference: Nullable(Type.String({ description: "The bank's own name for it." })),
    counterparty_name: Nullable(Type.String()),
    counterparty_account: Nullable(Type.String({ description: 'Its beginning and its end.' })),
    remittance: Nullable(Type.String()),
    status: OneOf(ENTRY_STATUSES),
    payment_id: Nullable(IdOf('pay')),
    matched_by: Nullable(OneOf(['reference', 'amount', 'operator'])),
    suspense_id: Nullable(IdOf('sus')),
    suggestions: Type.Array(
      Type.Object({
        payment_id: IdOf('pay'),
        reference: Type.Boolean({ description: 'It is named in the movement.' }),
        amount: Type.Boolean({ description: 'Its amount is that of the movement.' }),
        days: Nullable(Type.Integer({ description: 'From the payment to the movement.' })),
      }),
      { description: 'Payments that it may be, the likeliest first; as they were when the file was taken.' },
    ),
    created_at: Time,
  },
  { title: 'BankEntry' },
)

/** What banks told of the own accounts: files, and movements to reconcile (docs/api.md, Bank statements). */
export function wireListRoutes(app: App, gateway: Gateway): void {
  listRoute(app, gateway, 'wire/files', {
    ...{ operationId: 'listBankFiles', summary: 'Statements, notices and answers of banks' },
    ...{ spec: bankFiles, scope: bankFilesIn, schema: BankFileBody, present: presentFile },
  })

  listRoute(app, gateway, 'wire/entries', {
    ...{ operationId: 'listBankEntries', summary: 'Movements at banks, to reconcile' },
    description: '`status=unmatched` is what is still to be reconciled, with suggestions.',
    ...{ spec: bankEntries, scope: bankEntriesIn, schema: BankEntryBody, present: presentEntry },
    points: { payment: { payment: ({ paymentId }) => paymentId } },
  })
}

const TYPES = ['application/xml', 'text/xml']

/** Files of banks; in a scope of its own, where bodies of these types are read and no others. */
export function wireUploadRoutes(app: App, { pool, fileReader, bankBooking, config }: Gateway): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(TYPES, { parseAs: 'buffer' }, (_request, body: Buffer, done) => done(null, body))

  app.post('/v1/admin/wire/statements', {
    bodyLimit: LARGEST_FILE,
    schema: describe({
      operationId: 'uploadBankStatement',
      summary: 'Take a statement, a notice or an answer of a bank',
      description:
        'camt.053.001.02 to .08, or camt.054.001.02 to .08, of accounts in `BGW_WIRE_ACCOUNTS`; or pain.002.001.03 or .10, the ' +
        'answer to an order: withdrawals that it rejects fail. All of it is taken, or ' +
        'where anything in it is wrong nothing. A file needs no idempotency key: sent again, or in another form, it ' +
        'changes nothing and is answered as the first time, with `Idempotent-Replayed: true`. What is surely a payment ' +
        'settles it, what is none goes to `suspense`, the rest waits for an operator. A very large file may be answered ' +
        'before all of it is booked: then `settled_at` is null. Audited.',
      tag,
      errors: ['not_found', 'invalid_file'],
      consumes: TYPES,
      body: Type.String({
        examples: ['<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">…</Document>'],
      }),
      response: { 200: BankFileBody },
    }),
    validatorCompiler: validatorExceptBody,
    handler: async (request, reply) => {
      const bytes: unknown = request.body
      if (!(bytes instanceof Buffer)) throw new ApiError('unsupported_media_type')
      const options = { pool, reader: fileReader, accounts: config.wireAccounts }
      const { book } = sessionOf(request)
      const upload = await takeBankFile(options, book, bytes, actorOf(request))
      if (!upload.ok) throw new ApiError('invalid_file', `The file ${upload.problem}`)
      if (upload.known) reply.header('idempotent-replayed', 'true')
      return presentFile(await onceCommitted(() => bankBooking.settle(book, upload.file.id)))
    },
  })
}

function presentFile({ id, messageId, uploadedBy, createdAt, settledAt, answer, ...file }: TakenFile) {
  return {
    ...file,
    id: encodeId('bkf', id),
    message_id: messageId,
    uploaded_by: uploadedBy && encodeId('usr', uploadedBy),
    created_at: createdAt,
    settled_at: settledAt,
    statements: [...file.statements],
    answer: answer && presentAnswer(answer),
  }
}

function presentAnswer({ batch, ...answer }: TakenAnswer) {
  return { ...answer, batch_id: encodeId('wbt', batch) }
}

export function presentEntry(entry: BankEntry) {
  return {
    id: encodeId('bke', entry.id),
    file_id: encodeId('bkf', entry.fileId),
    account: entry.account,
    currency: entry.currency.code,
    direction: entry.direction,
    amount: formatAmount(entry.amount, entry.currency),
    reversal: entry.reversal,
    return_reason: entry.returnReason,
    booking_date: entry.bookingDate,
    value_date: entry.valueDate,
    end_to_end_id: entry.endToEndId,
    servicer_reference: entry.servicerReference,
    counterparty_name: entry.counterpartyName,
    counterparty_account: entry.counterpartyAccount,
    remittance: entry.remittance,
    status: entry.status,
    payment_id: entry.paymentId && encodeId('pay', entry.paymentId),
    matched_by: entry.matchedBy,
    suspense_id: entry.suspenseId && encodeId('sus', entry.suspenseId),
    suggestions: entry.suggestions,
    created_at: entry.createdAt,
  }
}
