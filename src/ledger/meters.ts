/** So many payments, and their sum in minor units. */
export type Use = { readonly count: bigint; readonly sum: bigint }

/** How much there may be at most; null: any. */
export type Cap = { readonly count: bigint | null; readonly sum: bigint | null }

export type MeterId = string & { readonly idOf: 'meter' }

/** A limit as it stands for a batch. */
export type Meter = {
  readonly cap: Cap
  /** What payments before the batch used of it. */
  readonly used: Use
  /** Whether payments add up; otherwise it is for each of them alone. */
  readonly adds: boolean
}

/** What an order counts against. */
type Metered = { readonly amount: bigint; readonly meters?: readonly MeterId[] }

const NOTHING: Use = { count: 0n, sum: 0n }

/** What is used of limits while a batch is posted: orders see the ones before them. */
export function createMeters(meters: ReadonlyMap<MeterId, Meter> | undefined) {
  const used = new Map<MeterId, Use>()

  function meterOf(id: MeterId): Meter {
    const meter = meters?.get(id)
    if (!meter) throw new Error(`the batch counts against ${id}, which was not loaded`)
    return meter
  }

  function afterwards(id: MeterId, amount: bigint): Use {
    const meter = meterOf(id)
    const before = meter.adds ? (used.get(id) ?? meter.used) : NOTHING
    return { count: before.count + 1n, sum: before.sum + amount }
  }

  /** Whether no limit would be exceeded by the order. */
  function allow({ meters: ids, amount }: Metered): boolean {
    if (!ids) return true
    return ids.every((id) => {
      const { cap } = meterOf(id)
      const { count, sum } = afterwards(id, amount)
      return (cap.count === null || count <= cap.count) && (cap.sum === null || sum <= cap.sum)
    })
  }

  /** Counts an order that posts or is held. One that is declined uses nothing up. */
  function count({ meters: ids, amount }: Metered): void {
    if (ids) for (const id of ids) used.set(id, afterwards(id, amount))
  }

  return { allow, count }
}
