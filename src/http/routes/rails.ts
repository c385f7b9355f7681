import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AccountFacts } from '../../accounts/directory.ts'
import { readBookName } from '../../books/books.ts'
import type { Gateway } from '../../gateway.ts'
import { RAIL_CODES, type RailCode } from '../../ledger/account.ts'
import type { UserId } from '../../ledger/id.ts'
import { FEE_PAYERS, type FeePayer } from '../../ledger/payment.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { isAbove } from '../../money/sums.ts'
import type { Direction } from '../../payments/instructions.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import type { Instruct, Payment as PaymentState } from '../../payments/payment.ts'
import { readPayment } from '../../payments/read.ts'
import type { Destination, Rail } from '../../rails/rail.ts'
import { placeOfDestination } from '../../rails/submitter.ts'
import { type PayTo, payToOf } from '../../rails/wire/pay_to.ts'
import { positiveAmountOf } from '../amount.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError, type ErrorCode, fieldError } from '../errors.ts'
import { keyHeader } from '../idempotency.ts'
import { presentPayment } from '../present.ts'
import { requireFreshProof } from '../proof.ts'
import { type App, describe } from '../route.ts'
import { Amount, Description, IdOf, Metadata, Nullable, OneOf, Payment, SHAPE } from '../schemas.ts'
import { accountId, isRepeat } from '../transfer.ts'
import { type Made, madeOf, maySee, sendPayment } from './payments.ts'

const tag = 'Payments'
const ERRORS: readonly ErrorCode[] = [
  ...(['not_found', 'invalid_amount', 'invalid_id'] as const),
  ...(['idempotency_key_reused', 'outcome_unknown'] as const),
]

const fields = {
  account: IdOf('acc'),
  rail: OneOf(RAIL_CODES),
  amount: Amount,
  description: Type.Optional(Nullable(Description)),
  metadata: Type.Optional(Metadata),
}

const Deposit = Type.Object(
  {
    ...Payment.properties,
    pay_to: Type.Unsafe<PayTo | null>({
      type: ['object', 'null'],
      description: 'Where to send the money, while the deposit waits for it; null where its rail takes it otherwise.',
      properties: {
        name: Type.String({ examples: ['Example Ltd'] }),
        iban: Type.String({ examples: ['DE89370400440532013000'] }),
        bic: Nullable(Type.String({ examples: ['COBADEFFXXX'] })),
        reference: Type.String({
          description: 'Has to stand in the transfer, as its reference or in its text.',
          examples: ['PAY01K3V5F4T1F6MB2X9K4W5R8H3N'],
        }),
      },
      required: ['name', 'iban', 'bic', 'reference'],
    }),
  },
  { title: 'Deposit' },
)

/** Money in from the world outside and out to it: the rail decides, later (docs/rails.md). */
export function railRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/deposits', {
    schema: describe({
      operationId: 'createDeposit',
      summary: 'Announce money that comes in',
      description:
        'Answers 202 with a pending payment, which completes when the rail confirms that the money is there. `pay_to` says ' +
        'where to send it by bank transfer.',
      tag,
      errors: ERRORS,
      body: Type.Object(fields, { additionalProperties: false }),
      response: { 201: Deposit, 202: Deposit },
    }),
    handler: async (request, reply) => {
      const made = await move(gateway, request, { ...request.body, feePayer: 'receiver' }, 'in', null)
      const { homeName } = sessionOf(request)
      return sendPayment(reply, made, (payment) => presentDeposit(gateway, homeName, payment))
    },
  })

  app.get('/v1/deposits/:id', {
    schema: describe({
      operationId: 'getDeposit',
      summary: 'One deposit, with where to send its money',
      tag,
      errors: ['not_found'],
      params: Type.Object({ id: Type.String({ examples: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] }) }),
      response: { 200: Deposit },
    }),
    handler: async (request) => {
      const session = sessionOf(request)
      const id = decodeId('pay', request.params.id)
      const payment = id && (await readPayment(gateway.pool, session.book, id))
      if (payment?.kind !== 'deposit' || !maySee(session, payment)) throw new ApiError('not_found')
      return presentDeposit(gateway, await readBookName(gateway.pool, session.book), payment)
    },
  })

  app.post('/v1/withdrawals', {
    schema: describe({
      operationId: 'createWithdrawal',
      summary: 'Send money out',
      description:
        'Answers 202 with a pending payment: the money is held, and leaves when the rail confirms that it paid out. A ' +
        'payment that is declined is a 201. The destination of `wire` is `{name, iban, bic?}`, of `wallet` `{wallet}`, of ' +
        '`crypto_currency` `{address, network?}`; it is stored encrypted and never shown again. Needs a fresh proof ' +
        '(a log-in, or `POST /v1/step-up`), of any sum or above what the gateway is set to.',
      tag,
      errors: [...ERRORS, 'fresh_proof_required'],
      body: Type.Object(
        {
          ...fields,
          fee_payer: Type.Optional(
            OneOf(FEE_PAYERS, {
              description:
                '`receiver` (default): `amount` less the fee arrives. `sender`: `amount` arrives, the fee is on top.',
            }),
          ),
          destination: Type.Record(Type.String({ pattern: '^[a-z_]{1,40}$' }), Type.String({ maxLength: 200 }), {
            maxProperties: 10,
            additionalProperties: false,
            [SHAPE]: '1 to 40 small letters and underscores',
            examples: [{ name: 'Ada Lovelace', iban: 'DE89370400440532013000' }],
          }),
        },
        { additionalProperties: false },
      ),
      response: { 201: Payment, 202: Payment },
    }),
    handler: async (request, reply) => {
      const { destination, fee_payer: feePayer = 'receiver', ...asked } = request.body
      return sendPayment(reply, await move(gateway, request, { ...asked, feePayer }, 'out', destination))
    },
  })
}

type Asked = {
  readonly account: string
  readonly rail: RailCode
  readonly amount: string
  readonly feePayer: FeePayer
  readonly description?: string | null
  readonly metadata?: Record<string, string>
}

async function move(
  gateway: Gateway,
  request: FastifyRequest,
  asked: Asked,
  direction: Direction,
  destination: Destination | null,
): Promise<Made> {
  const { home, homeName, userId } = sessionOf(request)
  const { intake, poster, submitter } = gateway
  const rail = gateway.rails.get(asked.rail)
  if (!rail) throw new Error(`there is no rail ${asked.rail}`)
  const account = await ownAccount(gateway, home, asked.account, userId)
  const amount = positiveAmountOf(asked.amount, account.currency, 'amount')
  const header = keyHeader(request)
  const kind = direction === 'in' ? 'deposit' : 'withdrawal'
  const key = header === undefined ? null : idempotencyKey(userId, kind, header, request.body)
  if (direction === 'out' && isAbove(gateway.config.withdrawalProofAbove, account.currency.code, amount)) {
    // A repeat pays nothing out: whoever asks with it what became of the first may learn it.
    if (!(await isRepeat(gateway.pool, home, key))) await requireFreshProof(gateway, request)
  }
  const outside = await intake.technicalAccount(home, asked.rail, account.currency.code)
  const [from, to] = direction === 'in' ? [outside, account] : [account, outside]
  const byFiles = rail.code === 'wire' && gateway.bankAccount(homeName, account.currency.code) !== undefined
  const instruct = { ...instructionFor(gateway, rail, account, direction, destination), byFiles }
  const { description = null, metadata = {} } = asked
  const terms = { type: 'rail', rail: asked.rail, instruct } as const
  const payment = await intake.complete({
    ...{ kind, from, to, amount, fee: null, feePayer: asked.feePayer, description, metadata, terms },
  })
  const made = madeOf(await poster.submit({ ...payment, madeBy: userId, key }))
  submitter.wake()
  return made
}

function presentDeposit({ bankAccount, config }: Gateway, book: string, payment: PaymentState) {
  const payTo = payToOf(payment, bankAccount(book, payment.currency.code), config.wireName)
  return { ...presentPayment(payment), pay_to: payTo }
}

async function ownAccount({ directory }: Gateway, book: AccountFacts['book'], text: string, userId: UserId) {
  const account = await directory.find(book, accountId(text, 'account'))
  if (account?.userId !== userId) throw fieldError('account', 'not_found', 'is no account here')
  return account
}

function instructionFor(
  { secretBox }: Gateway,
  rail: Rail,
  { book }: AccountFacts,
  direction: Direction,
  written: Destination | null,
): Omit<Instruct, 'byFiles'> {
  if (written === null) return { direction, sealedFor: () => null, shown: null }
  const checked = rail.checkDestination(written)
  if (!checked.ok) throw fieldError(`destination.${checked.field}`, 'invalid_value', checked.detail)
  const text = JSON.stringify(checked.destination)
  return { direction, shown: checked.shown, sealedFor: (id) => secretBox.seal(text, placeOfDestination(book, id)) }
}
