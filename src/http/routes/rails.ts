import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AccountFacts } from '../../accounts/directory.ts'
import type { Gateway } from '../../gateway.ts'
import { hasSecondFactor } from '../../identity/second_factor.ts'
import { RAIL_CODES, type RailCode } from '../../ledger/account.ts'
import type { UserId } from '../../ledger/id.ts'
import { parseAmount } from '../../money/amount.ts'
import { isAbove } from '../../money/sums.ts'
import type { Direction } from '../../payments/instructions.ts'
import { idempotencyKey } from '../../payments/intake.ts'
import type { Instruct } from '../../payments/payment.ts'
import type { Destination, Rail } from '../../rails/rail.ts'
import { placeOfDestination } from '../../rails/submitter.ts'
import { sessionOf } from '../authentication.ts'
import { type ErrorCode, fieldError } from '../errors.ts'
import { keyHeader } from '../idempotency.ts'
import { requireFreshProof } from '../proof.ts'
import { type App, describe } from '../route.ts'
import { Amount, Description, IdOf, Metadata, Nullable, OneOf, Payment } from '../schemas.ts'
import { accountId } from '../transfer.ts'
import { madeOf, sendPayment } from './payments.ts'

const tag = 'Payments'
const ERRORS: readonly ErrorCode[] = [
  ...(['not_found', 'invalid_amount', 'invalid_id'] as const),
  ...(['idempotency_key_reused', 'overloaded', 'outcome_unknown'] as const),
]

const fields = {
  account: IdOf('acc'),
  rail: OneOf(RAIL_CODES),
  amount: Amount,
  description: Type.Optional(Nullable(Description)),
  metadata: Type.Optional(Metadata),
}

/** Money in from the world outside and out to it: the rail decides, later (docs/rails.md). */
export function railRoutes(app: App, gateway: Gateway): void {
  app.post('/v1/deposits', {
    schema: describe({
      operationId: 'createDeposit',
      summary: 'Announce money that comes in',
      description:
        'Answers 202 with a pending payment, which completes when the rail confirms that the money is there.',
      tag,
      errors: ERRORS,
      body: Type.Object(fields, { additionalProperties: false }),
      response: { 201: Payment, 202: Payment },
    }),
    handler: (request, reply) => move(gateway, request, reply, request.body, 'in', null),
  })

  app.post('/v1/withdrawals', {
    schema: describe({
      operationId: 'createWithdrawal',
      summary: 'Send money out',
      description:
        'Answers 202 with a pending payment: the money is held, and leaves when the rail confirms that it paid out. A ' +
        'payment that is declined is a 201. The destination of `wire` is `{name, iban, bic?}`, of `wallet` `{wallet}`, of ' +
        '`crypto_currency` `{address, network?}`; it is stored encrypted and never shown again. Whoever has a second factor ' +
        'needs a fresh proof of it (`POST /v1/step-up`).',
      tag,
      errors: [...ERRORS, 'fresh_proof_required'],
      body: Type.Object(
        {
          ...fields,
          destination: Type.Record(Type.String({ pattern: '^[a-z_]{1,40}$' }), Type.String({ maxLength: 200 }), {
            maxProperties: 10,
            additionalProperties: false,
            examples: [{ name: 'Ada Lovelace', iban: 'DE89370400440532013000' }],
          }),
        },
        { additionalProperties: false },
      ),
      response: { 201: Payment, 202: Payment },
    }),
    handler: async (request, reply) => {
      const { destination, ...asked } = request.body
      return move(gateway, request, reply, asked, 'out', destination)
    },
  })
}

type Asked = {
  readonly account: string
  readonly rail: RailCode
  readonly amount: string
  readonly description?: string | null
  readonly metadata?: Record<string, string>
}

async function move(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Asked,
  direction: Direction,
  destination: Destination | null,
): Promise<FastifyReply> {
  const { home, homeName, userId } = sessionOf(request)
  const { intake, poster, submitter } = gateway
  const rail = gateway.rails.get(asked.rail)
  if (!rail) throw new Error(`there is no rail ${asked.rail}`)
  const account = await ownAccount(gateway, home, asked.account, userId)
  const amount = parseAmount(asked.amount, account.currency)
  if (!amount) throw fieldError('amount', 'invalid_amount', 'is no positive amount of the currency')
  if (direction === 'out') await requireSecondFactor(gateway, request, account.currency.code, amount)
  const outside = await intake.technicalAccount(home, asked.rail, account.currency.code)
  const [kind, from, to] =
    direction === 'in' ? (['deposit', outside, account] as const) : (['withdrawal', account, outside] as const)
  const byFiles = rail.code === 'wire' && gateway.bankAccount(homeName, account.currency.code) !== undefined
  const instruct = { ...instructionFor(gateway, rail, account, direction, destination), byFiles }
  const { description = null, metadata = {} } = asked
  const terms = { type: 'rail', rail: asked.rail, instruct } as const
  const payment = await intake.complete({
    ...{ kind, from, to, amount, fee: null, feePayer: 'receiver', description, metadata, terms },
  })
  const header = keyHeader(request)
  const key = header === undefined ? null : idempotencyKey(userId, kind, header, request.body)
  const made = madeOf(await poster.submit({ ...payment, madeBy: userId, key }))
  submitter.wake()
  return sendPayment(reply, made)
}

/** Whoever has a second factor proves it anew before more leaves than BGW_WITHDRAWAL_PROOF_ABOVE says. */
async function requireSecondFactor(gateway: Gateway, request: FastifyRequest, code: string, amount: bigint) {
  if (!isAbove(gateway.config.withdrawalProofAbove, code, amount)) return
  const { home, userId } = sessionOf(request)
  if (await hasSecondFactor(gateway.pool, { book: home, userId })) await requireFreshProof(gateway, request)
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
