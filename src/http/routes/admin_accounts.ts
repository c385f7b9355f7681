import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type AccountChange, changeAccount } from '../../accounts/change.ts'
import type { Gateway } from '../../gateway.ts'
import { decodeId } from '../../ledger/typeid.ts'
import { amountOf } from '../amount.ts'
import { actorOf, sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { presentAccount } from '../present.ts'
import { type App, describe } from '../route.ts'
import { Account, Amount, FreezeBody, Reason, ReasonBody } from '../schemas.ts'
import { visibleAccount } from './accounts.ts'

const tag = 'Operators'
const params = Type.Object({ id: Type.String({ examples: ['acc_01k3v5f2q8e8pv0z3m0c6b7d1e'] }) })

/** What operators change of single accounts of users. */
export function adminAccountRoutes(app: App, gateway: Gateway): void {
  app.patch('/v1/admin/accounts/:id', {
    schema: describe({
      operationId: 'updateAccountOfBook',
      summary: 'Let an account go below zero, or no more',
      description: 'Audited, with the limit before and after.',
      tag,
      errors: ['not_found', 'account_closed', 'overdraft_in_use', 'invalid_amount'],
      params,
      body: Type.Object({ overdraft_limit: Amount, reason: Reason }, { additionalProperties: false }),
      response: { 200: Account },
    }),
    handler: async (request) => {
      const { overdraft_limit: written, reason } = request.body
      const { currency } = await visibleAccount(gateway, request, request.params.id)
      const overdraftLimit = amountOf(written, currency, 'overdraft_limit')
      return change(gateway, request, request.params.id, { overdraftLimit }, 'account.overdraft', reason)
    },
  })

  app.post('/v1/admin/accounts/:id/freeze', {
    schema: describe({
      operationId: 'freezeAccount',
      summary: 'Freeze an account: no money leaves it, nor, with `refuse_incoming`, comes in',
      tag,
      errors: ['not_found', 'account_closed'],
      params,
      body: FreezeBody,
      response: { 200: Account },
    }),
    handler: (request) => {
      const { reason, refuse_incoming: all = false } = request.body
      return change(
        gateway,
        request,
        request.params.id,
        { frozenItself: all ? 'all' : 'out' },
        'account.freeze',
        reason,
      )
    },
  })

  app.post('/v1/admin/accounts/:id/unfreeze', {
    schema: describe({
      operationId: 'unfreezeAccount',
      summary: 'Let money leave an account again',
      description: 'One whose user is frozen stays frozen with them.',
      tag,
      errors: ['not_found', 'account_closed'],
      params,
      body: ReasonBody,
      response: { 200: Account },
    }),
    handler: (request) =>
      change(gateway, request, request.params.id, { frozenItself: null }, 'account.unfreeze', request.body.reason),
  })
}

async function change(
  { pool }: Gateway,
  request: FastifyRequest,
  text: string,
  wanted: AccountChange,
  action: string,
  reason: string,
) {
  const id = decodeId('acc', text)
  const audit = { actor: actorOf(request), action, objectId: id ?? null, detail: { reason } }
  const changed = id && (await changeAccount(pool, sessionOf(request).book, id, wanted, audit))
  if (!changed) throw new ApiError('not_found')
  if (!changed.ok) throw new ApiError(changed.refusal)
  return presentAccount(changed.account)
}
