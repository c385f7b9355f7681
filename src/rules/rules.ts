import { NOW } from '../database/clock.ts'
import type { Queryable } from '../database/connection.ts'
import type { BookId, Instant } from '../ledger/id.ts'
import type { Percent } from '../money/percent.ts'
import { readSchedules, type Schedules } from './fee_schedules.ts'
import { type KeptLimits, NO_LIMITS, readKeptLimits } from './payment_limits.ts'
import { RULES_VERSION } from './version.ts'

// What operators set for the payments of a book: what they cost, and how much may be paid. A node keeps the rules of each book and their version,
// which every batch reads behind the locks of its accounts; so a rule holds for each payment that is asked for after it was
// set, on every node, and costs nothing to look up.

/** What a transfer costs where no schedule says it. */
export type FeeSettings = { readonly transferPercent: Percent }

export type Rules = FeeSettings & { readonly schedules: Schedules; readonly limits: KeptLimits }

/** The moment of a batch, and the version of its book's rules. */
export type RulesMoment = { readonly at: Instant; readonly rulesVersion: bigint | null }

/** The moment of what locks nothing. */
export async function readRulesMoment(client: Queryable, book: BookId): Promise<RulesMoment> {
  const { rows } = await client.query<{ now: Instant; rules_version: bigint | null }>({
    name: 'rules-moment',
    text: `select ${NOW}, ${RULES_VERSION}`,
    values: [book],
  })
  const [row] = rows
  if (!row) throw new Error('the database has no clock')
  return { at: row.now, rulesVersion: row.rules_version }
}

export type RuleKeeper = {
  /**
   * The rules of a book at that version or a newer one, read anew only where another version is kept, also a newer one:
   * a database that has taken over without the last commits of another has the older rules.
   */
  readonly at: (client: Queryable, book: BookId, moment: RulesMoment) => Rules | Promise<Rules>
}

export function createRuleKeeper(settings: FeeSettings): RuleKeeper {
  const unset: Rules = { ...settings, schedules: new Map(), limits: NO_LIMITS }
  const kept = new Map<BookId, { readonly version: bigint; readonly rules: Rules }>()

  async function read(client: Queryable, book: BookId, at: Instant, version: bigint): Promise<Rules> {
    const schedules = await readSchedules(client, book, at)
    const rules = { ...settings, schedules, limits: await readKeptLimits(client, book) }
    kept.set(book, { version, rules })
    return rules
  }

  function at(client: Queryable, book: BookId, { at: moment, rulesVersion }: RulesMoment): Rules | Promise<Rules> {
    if (rulesVersion === null) return unset
    const known = kept.get(book)
    return known?.version === rulesVersion ? known.rules : read(client, book, moment, rulesVersion)
  }

  return { at }
}
