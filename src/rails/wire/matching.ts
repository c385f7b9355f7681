import type { PaymentId, WireBatchId } from '../../ledger/id.ts'
import { encodeId, fromBase32 } from '../../ledger/typeid.ts'
import type { Direction } from './bank_file.ts'

// Which movement at the bank is which payment. Pure, and the same for the same input in the same order.

/** A movement at the bank. Amounts in minor units; `date` is the bank's day. */
export type BankLine = {
  readonly key: string
  readonly direction: Direction
  readonly currency: string
  readonly amount: bigint
  readonly date: string | null
  /** It takes back an earlier one: never a payment itself. */
  readonly reversal: boolean
  /** Whatever in it may hold a reference of ours. */
  readonly texts: readonly string[]
}

/** A deposit or withdrawal that waits for the bank, with the day since when. */
export type Expected = {
  readonly id: PaymentId
  readonly direction: Direction
  readonly currency: string
  readonly amount: bigint
  readonly since: string
}

export const MATCHED_BY = ['reference', 'amount'] as const
export type MatchedBy = (typeof MATCHED_BY)[number]
/** `days` as in a suggestion. */
export type Match = { readonly payment: PaymentId; readonly by: MatchedBy; readonly days: number | null }

/** A payment that a line may be, and what speaks for it. */
export type Suggestion = {
  readonly payment: PaymentId
  readonly reference: boolean
  readonly amount: boolean
  /** Days between them; null where the bank gives no day. */
  readonly days: number | null
}

export type Matching = {
  readonly matches: ReadonlyMap<string, Match>
  /** Of each line that has no match, the best first. */
  readonly suggestions: ReadonlyMap<string, readonly Suggestion[]>
}

const MOST_SUGGESTIONS = 5
/** Money may come before it is announced (a day of another time zone), and takes no longer than two weeks. */
const DAYS_BEFORE = 1
const DAYS_AFTER = 14
/** With more payments of one amount, the amount tells nothing. */
const MOST_ALIKE = 200

/** A payment's reference at banks: its id in the characters and the length that they all take. */
export function wireReference(id: PaymentId): string {
  return bankForm(encodeId('pay', id))
}

/** An id in the characters that banks take. */
export function bankForm(id: string): string {
  return id.replace('_', '').toUpperCase()
}

/** The payments that texts name, by reference or by id, however a bank broke or capitalised them. */
export function paymentsNamed(texts: readonly string[]): Set<PaymentId> {
  return named(texts, /(?=pay[_\-.:]?([0-7][0-9a-hjkmnp-tv-z]{25}))/gi)
}

/** The orders that texts name, in the same way. */
export function ordersNamed(texts: readonly string[]): Set<WireBatchId> {
  return named(texts, /(?=wbt[_\-.:]?([0-7][0-9a-hjkmnp-tv-z]{25}))/gi)
}

/**
 * Without their spaces, texts such as `Payment PAY01…` have letters in front of an id that look like the beginning of
 * another: so a pattern only looks ahead, and finds what overlaps as well.
 */
function named<Of extends PaymentId | WireBatchId>(texts: readonly string[], pattern: RegExp): Set<Of> {
  const ids = texts.flatMap((text) =>
    [...text.replaceAll(/\s+/g, '').matchAll(pattern)].map(([, digits = '']) => fromBase32(digits.toLowerCase())),
  )
  return new Set(ids.filter((id) => id !== undefined && UUID_V7.test(id)) as string[] as Of[])
}

/** Every id of ours (RFC 9562 §5.7), and hardly anything else that has as many letters. */
const UUID_V7 = /^.{14}7.{4}[89ab]/

/**
 * Matches lines with what is expected, each at most once: by reference where amount and direction fit too, then by amount
 * and date where only one of each comes into question. What names a payment is never taken for another.
 */
export function matchEntries(lines: readonly BankLine[], expected: readonly Expected[]): Matching {
  const open = new Map(expected.map((payment) => [payment.id, payment]))
  const matches = new Map<string, Match>()
  const named = new Map(lines.map((line) => [line.key, paymentsNamed(line.texts)]))
  for (const line of lines) {
    const [only, ...others] = named.get(line.key) ?? []
    const payment = only && others.length === 0 ? open.get(only) : undefined
    if (!payment || line.reversal || kindOf(line) !== kindOf(payment)) continue
    matches.set(line.key, { payment: payment.id, by: 'reference', days: daysBetween(payment, line) })
    open.delete(payment.id)
  }
  for (const [line, payment] of onlyPairs(
    lines.filter((line) => !matches.has(line.key) && !line.reversal && named.get(line.key)?.size === 0),
    [...open.values()],
  )) {
    matches.set(line.key, { payment: payment.id, by: 'amount', days: daysBetween(payment, line) })
    open.delete(payment.id)
  }
  const byKind = grouped([...open.values()])
  const suggestions = new Map<string, Suggestion[]>()
  for (const line of lines) {
    if (!matches.has(line.key)) suggestions.set(line.key, suggest(line, named.get(line.key) ?? new Set(), open, byKind))
  }
  return { matches, suggestions }
}

/** Lines and payments of which each has the other for its only candidate. */
function onlyPairs(lines: readonly BankLine[], expected: readonly Expected[]): [BankLine, Expected][] {
  const byKind = grouped(expected)
  const candidates = new Map<BankLine, Expected[]>()
  const wantedBy = new Map<PaymentId, number>()
  for (const line of lines) {
    const alike = byKind.get(kindOf(line)) ?? []
    const found = alike.length > MOST_ALIKE ? [] : alike.filter((payment) => inTime(line, payment))
    candidates.set(line, found)
    for (const { id } of found) wantedBy.set(id, (wantedBy.get(id) ?? 0) + 1)
  }
  return [...candidates].flatMap(([line, [only, ...others]]): [BankLine, Expected][] =>
    only && others.length === 0 && wantedBy.get(only.id) === 1 ? [[line, only]] : [],
  )
}

function suggest(
  line: BankLine,
  named: ReadonlySet<PaymentId>,
  open: ReadonlyMap<PaymentId, Expected>,
  byKind: ReadonlyMap<string, readonly Expected[]>,
): Suggestion[] {
  const byName = [...named].flatMap((id) => open.get(id) ?? [])
  const found = new Set([...byName, ...(byKind.get(kindOf(line)) ?? []).slice(0, MOST_ALIKE)])
  return [...found]
    .filter(({ direction, currency }) => direction === line.direction && currency === line.currency)
    .map((payment) => ({
      payment: payment.id,
      reference: named.has(payment.id),
      amount: payment.amount === line.amount,
      days: daysBetween(payment, line),
    }))
    .sort(better)
    .slice(0, MOST_SUGGESTIONS)
}

function better(left: Suggestion, right: Suggestion): number {
  const far = ({ days }: Suggestion) => (days === null ? Number.MAX_SAFE_INTEGER : Math.abs(days))
  return (
    Number(right.reference) - Number(left.reference) ||
    Number(right.amount) - Number(left.amount) ||
    far(left) - far(right) ||
    (left.payment < right.payment ? -1 : 1)
  )
}

function grouped(expected: readonly Expected[]): Map<string, Expected[]> {
  return Map.groupBy(expected, kindOf)
}

function kindOf({ direction, currency, amount }: Pick<Expected, 'direction' | 'currency' | 'amount'>): string {
  return `${direction} ${currency} ${amount}`
}

function inTime(line: BankLine, payment: Expected): boolean {
  const days = daysBetween(payment, line)
  return days !== null && days >= -DAYS_BEFORE && days <= DAYS_AFTER
}

/** Days from when the payment was made to the bank's day. */
function daysBetween({ since }: Expected, { date }: BankLine): number | null {
  return date === null ? null : Math.round((Date.parse(date) - Date.parse(since)) / 86_400_000)
}
