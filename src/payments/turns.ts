import type { AccountId } from '../ledger/id.ts'

/**
 * What waits to be posted, in the order in which it came, and which of it need not wait for a batch under way: two batches
 * that name the same user's account would be posted one after the other, and all of the second would wait for the
 * locks of the first (ledger.md, Posting). So such requests wait for the batch, and the others go ahead of them. What is
 * a request of its own, alone, goes ahead of what came in bulk.
 */
export type Turns<Unit> = {
  /** Adds what is to be posted together: behind all that waits, or ahead of what is not alone and could go as well. */
  readonly add: (unit: Unit, alone: boolean) => void
  /** How many units name no account of a batch under way, nor of one before them that waits for such a batch. */
  readonly ready: () => number
  /** Takes units that are ready, those alone first, each in order and at most so many, and counts them as under way. */
  readonly begin: (most: number) => Unit[]
  /** Says that these are no longer under way. */
  readonly end: (units: readonly Unit[]) => void
}

/** `accountsOf`: the users' accounts that a unit names, which its batch will lock. */
export function createTurns<Unit>(accountsOf: (unit: Unit) => readonly AccountId[]): Turns<Unit> {
  const underWay = new Set<AccountId>()
  /** Of those that wait for a batch under way: who names one of them stays behind them. */
  const spokenFor = new Set<AccountId>()
  let ahead: Unit[] = []
  let ready: Unit[] = []
  let held: { readonly unit: Unit; readonly alone: boolean }[] = []

  function add(unit: Unit, alone: boolean): void {
    const accounts = accountsOf(unit)
    if (accounts.some((id) => underWay.has(id) || spokenFor.has(id))) {
      for (const id of accounts) spokenFor.add(id)
      held.push({ unit, alone })
    } else if (alone) {
      ahead.push(unit)
    } else {
      ready.push(unit)
    }
  }

  function begin(most: number): Unit[] {
    const alone = ahead.splice(0, most)
    const taken = [...alone, ...ready.splice(0, most - alone.length)]
    for (const unit of taken) for (const id of accountsOf(unit)) underWay.add(id)
    look()
    return taken
  }

  function end(units: readonly Unit[]): void {
    for (const unit of units) for (const id of accountsOf(unit)) underWay.delete(id)
    look()
  }

  /** Looks anew which of them can go. Of two that came in bulk and share an account, one of them ready, that one came first. */
  function look(): void {
    const [alone, inBulk, waiting] = [ahead, ready, held]
    spokenFor.clear()
    ahead = []
    ready = []
    held = []
    for (const unit of alone) add(unit, true)
    for (const unit of inBulk) add(unit, false)
    for (const { unit, alone } of waiting) add(unit, alone)
  }

  return { add, ready: () => ahead.length + ready.length, begin, end }
}
