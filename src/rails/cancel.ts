import type { Directory } from '../accounts/directory.ts'
import type { AuditEntry } from '../audit/audit.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import { onceCommitted } from '../database/faults.ts'
import type { RailCode } from '../ledger/account.ts'
import type { BookId, PaymentId } from '../ledger/id.ts'
import { lockInstruction } from '../payments/instructions.ts'
import { endPending } from '../payments/pending.ts'
import type { Rail } from './rail.ts'
import { BrokenReport, referenceOf, type Settlement } from './settlement.ts'

type Options = {
  readonly deciding: Pool
  readonly directory: Directory
  readonly settlement: Settlement
  readonly rails: ReadonlyMap<RailCode, Rail>
}

/** The rail could not be reached, or its answer was lost: the payment stays as it is until the rail tells, or is asked again. */
export class RailOutOfReach extends Error {
  override readonly name = 'RailOutOfReach'
}

/**
 * Tries to cancel a pending deposit or withdrawal: at once where its rail was not told yet, else by asking the rail,
 * which may be too late. Whatever it says, the payment is then as it says. `audit` is written where it is canceled.
 * Throws RailOutOfReach where it says nothing, and UnknownOutcome where what it says cannot be written down.
 */
export async function cancelOnRail(
  options: Options,
  book: BookId,
  id: PaymentId,
  audit: AuditEntry | null,
): Promise<void> {
  const { deciding, directory, settlement, rails } = options
  const told = await inTransaction(deciding, async (client) => {
    const instruction = await lockInstruction(client, book, id)
    if (!instruction || instruction.attempts > 0) return instruction
    await endPending(client, directory, book, id, { event: 'cancel' }, audit)
    return undefined
  })
  const rail = told && rails.get(told.rail)
  if (!told || !rail) return
  const outOfReach = (cause: unknown) =>
    new RailOutOfReach(`the rail ${told.rail} could not be asked to cancel`, { cause })
  // The rail is not called inside a transaction; what it answers is a report like any other.
  const said = await rail.cancel(referenceOf(told.bookName, id)).catch((cause: unknown) => {
    throw outOfReach(cause)
  })
  await onceCommitted(() => settlement.report(told.rail, said, audit)).catch((cause: unknown) => {
    throw cause instanceof BrokenReport ? outOfReach(cause) : cause
  })
}
