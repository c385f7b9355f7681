import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type AccountState, openAccounts, readAccount } from '../../accounts/account.ts'
import { awaitPostings, balanceAt } from '../../accounts/balance.ts'
import { type AccountChange, changeAccount } from '../../accounts/change.ts'
import { accounts, ofUser } from '../../accounts/list.ts'
import { findRecipients } from '../../accounts/recipients.ts'
import { takeAccountsTurn } from '../../accounts/turn.ts'
import { readCurrencies } from '../../books/currencies.ts'
import { idsAt, readClock } from '../../database/clock.ts'
import { parseInstant } from '../../database/instant.ts'
import type { Gateway } from '../../gateway.ts'
import { parseKnownEmail } from '../../identity/email.ts'
import { findUser, findUserByEmail, holdUser } from '../../identity/users.ts'
import { decodeId, encodeId } from '../../ledger/typeid.ts'
import { formatAmount } from '../../money/amount.ts'
import { seesAll, sessionOf } from '../authentication.ts'
import { openCurrencyOf } from '../currency.ts'
import { ApiError, notSettledError } from '../errors.ts'
import { answerOnce } from '../idempotency.ts'
import { sendList } from '../list.ts'
import { presentAccount } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { Account, CurrencyCode, IdOf, Metadata, Name, PageOf, Time } from '../schemas.ts'

const tag = 'Accounts'
const params = Type.Object({ id: Type.String({ examples: ['acc_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) })

/** Accounts: one balance in one currency each (api.md, Accounts). */
export function accountRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.get('/v1/accounts', {
    schema: describe({
      operationId: 'listAccounts',
      summary: 'Your accounts',
      tag,
      querystring: listQuery(accounts.fields),
      response: { 200: PageOf(Account) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      return sendList(pool, request, reply, { spec: accounts, scope: ofUser(home, userId), present: presentAccount })
    },
  })

  app.post('/v1/accounts', {
    schema: describe({
      operationId: 'openAccount',
      summary: 'Open an account',
      tag,
      errors: ['unknown_currency', 'currency_closed', 'idempotency_key_reused'],
      body: Type.Object(
        { currency: CurrencyCode, name: Type.Optional(Name), metadata: Type.Optional(Metadata) },
        { additionalProperties: false },
      ),
      response: { 201: Account },
    }),
    handler: (request, reply) =>
      answerOnce(
        pool,
        request,
        reply,
        async (client) => {
          const { home, userId } = sessionOf(request)
          const { currency, name = currency, metadata = {} } = request.body
          await takeAccountsTurn(client, home, userId)
          // Whoever closes their user at this moment gets no account any more, and whoever is frozen none that is not.
          const user = (await holdUser(client, home, userId)) && (await findUser(client, home, userId))
          if (!user) throw new ApiError('unauthenticated')
          if (user.frozen !== null) throw new ApiError('user_frozen')
          openCurrencyOf(await readCurrencies(client, home), currency, 'currency')
          const at = await readClock(client)
          const [id] = await openAccounts(client, home, at, idsAt(at), [{ userId, currency, name, metadata }])
          const account = id && (await readAccount(client, home, id))
          if (!account) throw new Error('an opened account is there')
          return { status: 201, body: presentAccount(account) }
        },
        { expires: true },
      ),
  })

  app.get('/v1/accounts/:id', {
    schema: describe({
      operationId: 'getAccount',
      summary: 'One account',
      tag,
      errors: ['not_found'],
      params,
      response: { 200: Account },
    }),
    handler: async (request) => presentAccount(await visibleAccount(gateway, request, request.params.id)),
  })

  changingRoutes(app, gateway)
  readingRoutes(app, gateway)
}

function changingRoutes(app: App, gateway: Gateway): void {
  app.patch('/v1/accounts/:id', {
    schema: describe({
      operationId: 'updateAccount',
      summary: 'Rename an account or change its metadata',
      tag,
      errors: ['not_found', 'account_closed'],
      params,
      body: Type.Object(
        { name: Type.Optional(Name), metadata: Type.Optional(Metadata) },
        { additionalProperties: false, minProperties: 1 },
      ),
      response: { 200: Account },
    }),
    handler: (request) => change(gateway, request, request.params.id, request.body),
  })

  app.post('/v1/accounts/:id/close', {
    schema: describe({
      operationId: 'closeAccount',
      summary: 'Close an account for good, at a balance of zero',
      tag,
      errors: [
        'not_found',
        'account_closed',
        'account_frozen',
        'balance_not_zero',
        'unknown_field',
        'unsupported_media_type',
        'outcome_unknown',
      ],
      params,
      response: { 200: Account },
    }),
    handler: (request) => change(gateway, request, request.params.id, { closed: true }),
  })
}

function readingRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.get('/v1/accounts/:id/balance', {
    schema: describe({
      operationId: 'getBalance',
      summary: 'The balance of an account, now or as it was',
      tag,
      errors: ['not_found'],
      params,
      querystring: Type.Object({ at: Type.Optional(Time) }, { additionalProperties: false }),
      response: {
        200: Type.Object({ balance: Type.String({ examples: ['98.00'] }), currency: CurrencyCode, at: Time }),
      },
    }),
    handler: async (request) => {
      const account = await visibleAccount(gateway, request, request.params.id)
      const now = await readClock(pool)
      const asked = parseInstant(request.query.at ?? '') ?? now
      const at = asked < now ? asked : now
      const { book } = sessionOf(request)
      if (!(await awaitPostings(pool, book, account, at, now))) throw notSettledError()
      const { balance, at: stamp } = await balanceAt(pool, book, account, at)
      return { balance: formatAmount(balance, account.currency), currency: account.currency.code, at: stamp }
    },
  })

  app.get('/v1/recipients', {
    schema: describe({
      operationId: 'findRecipients',
      summary: 'The accounts of a user that can be paid to',
      description:
        'For a confirmed user of that address: id and currency of each active account, in all currencies or in one, of which the 200 oldest, and nothing else. Name the currency to pay in: others, however many, do not take its places then.',
      tag,
      errors: ['missing_field', 'invalid_request'],
      querystring: Type.Object(
        { email: Type.String({ maxLength: 254 }), currency: Type.Optional(CurrencyCode) },
        { additionalProperties: false },
      ),
      response: { 200: Type.Object({ data: Type.Array(Type.Object({ id: IdOf('acc'), currency: CurrencyCode })) }) },
    }),
    handler: async (request) => {
      const { home } = sessionOf(request)
      const email = parseKnownEmail(request.query.email)
      const user = email && (await findUserByEmail(pool, home, email))
      if (!user || user.confirmedAt === null) return { data: [] }
      const found = await findRecipients(pool, home, user.id, request.query.currency ?? null)
      return { data: found.map(({ id, currency }) => ({ id: encodeId('acc', id), currency })) }
    },
  })
}

/** An account that the caller may see: one's own, or any of the book for operators and auditors. */
export async function visibleAccount({ pool }: Gateway, request: FastifyRequest, text: string): Promise<AccountState> {
  const session = sessionOf(request)
  const id = decodeId('acc', text)
  const account = id && (await readAccount(pool, session.book, id))
  if (!account || (account.userId !== session.userId && !seesAll(session))) throw new ApiError('not_found')
  return account
}

async function change(gateway: Gateway, request: FastifyRequest, text: string, wanted: AccountChange) {
  const { home, userId } = sessionOf(request)
  const { id, userId: owner } = await visibleAccount(gateway, request, text)
  if (owner !== userId) throw new ApiError('not_found')
  const changed = await changeAccount(gateway.pool, home, id, wanted, null)
  if (!changed) throw new ApiError('not_found')
  if (!changed.ok) throw new ApiError(changed.refusal)
  return presentAccount(changed.account)
}
