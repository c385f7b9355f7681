import { BALANCES } from './balances.ts'
import { PAYMENTS } from './payments.ts'
import { PRIVILEGES } from './privileges.ts'

// What always holds (docs/ledger.md), laws 1 to 5 as queries that find what breaks it. PostgreSQL does the work and gives
// back no more than the first few offenders, so memory stays bounded here however large the books.

export const LAWS = [1, 2, 3, 4, 5, 6] as const
export type Law = (typeof LAWS)[number]

/** A rule of a law. Its query gives offenders, of the book `$1`. Law 5 is of the whole database and takes no book. */
export type Check = { readonly law: Law; readonly rule: string; readonly sql: string }

/** Every rule, in the order of the laws. */
export const CHECKS: readonly Check[] = [...BALANCES, ...PAYMENTS, PRIVILEGES].sort((one, other) => one.law - other.law)
