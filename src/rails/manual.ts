import type { RailCode } from '../ledger/account.ts'
import { checkDestination } from './destination.ts'
import type { Rail, RailReport } from './rail.ts'

/**
 * A rail without a machine behind it: what it is told waits until an operator settles or cancels it, or until a bank
 * statement does (rails/wire).
 */
export function createManualRail(code: RailCode): Rail {
  const waits = (reference: string): RailReport => ({
    ...{ reference, state: 'processing', railReference: null, amount: null, reason: null },
  })
  return {
    code,
    checkDestination: (destination) => checkDestination(code, destination),
    submit: async ({ reference }) => waits(reference),
    lookUp: async (reference) => waits(reference),
    cancel: async (reference) => waits(reference),
    readCallback: () => undefined,
  }
}
