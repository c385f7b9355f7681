import { formatInstant } from '../database/instant.ts'
import type { Instant } from '../ledger/id.ts'
import { encodeId } from '../ledger/typeid.ts'
import { PAGE, type Paper } from './page.ts'
import type { BalanceCurve, Statement } from './statement.ts'

type Money = (units: bigint) => string

const FACT_WIDTH = 244
const BALANCE_ROOM = 180
const CURVE_POINTS = 61
const CURVE_HEIGHT = 74

/** The upper part of a statement's first page: whose account, which period, its balances and a picture of them. Returns where it ends. */
export async function writeTitle(paper: Paper, statement: Statement, money: Money): Promise<number> {
  const { account, holder, period, madeAt, opening, closing } = statement
  const { text } = paper
  const { left, right } = PAGE
  let y = PAGE.top
  await text('Account statement', left, y, { size: 20, weight: 'bold' })
  await text(`${minute(period.from)} – ${minute(period.to)} UTC`, right, y + 8, {
    size: 9,
    align: 'right',
    ink: 'grey',
  })
  y += 42
  await text('Opening balance', right, y, { size: 9, ink: 'grey', align: 'right' })
  await text(money(opening), right, y + 13, { size: 12, align: 'right', room: BALANCE_ROOM })
  await text('Closing balance', right, y + 34, { size: 9, ink: 'grey', align: 'right' })
  await text(money(closing), right, y + 47, { size: 14, weight: 'bold', align: 'right', room: BALANCE_ROOM })
  const facts = {
    Holder: holder,
    Account: account.name,
    Number: encodeId('acc', account.id),
    Currency: account.currency.code,
    Made: `${minute(madeAt)} UTC`,
  }
  for (const [label, value] of Object.entries(facts)) {
    await text(label, left, y, { size: 9, ink: 'grey' })
    await text(value, left + 62, y, { size: 9, width: FACT_WIDTH, weight: label === 'Account' ? 'bold' : 'regular' })
    y += 14
  }
  return writeCurve(paper, await statement.curve(CURVE_POINTS), y + 14, money)
}

async function writeCurve({ text, line, area }: Paper, curve: BalanceCurve, y: number, money: Money): Promise<number> {
  const { left, right } = PAGE
  const { floor, top } = extent(curve)
  const bottom = y + 12 + CURVE_HEIGHT
  const style = { size: 7, ink: 'grey' } as const
  // Only a picture: the numbers stand beside it.
  const across = (index: number) => left + ((right - left) * index) / Math.max(curve.length - 1, 1)
  // Where all of it is zero there is no height to divide.
  const height = top > floor ? top - floor : 1n
  const up = (units: bigint) => bottom - Number(((units - floor) * 10_000n) / height) * (CURVE_HEIGHT / 10_000)
  await text('Balance', left, y - 4, { ...style, size: 8 })
  await text(money(top), right, y - 4, { ...style, align: 'right' })
  area(
    curve.map(([, units], index) => [across(index), up(units)] as const),
    bottom,
  )
  line(bottom)
  const [first, last] = [curve[0], curve.at(-1)]
  if (first && last) {
    await text(minute(first[0]), left, bottom + 2, style)
    if (floor !== 0n) await text(money(floor), (left + right) / 2, bottom + 2, style)
    await text(minute(last[0]), right, bottom + 2, { ...style, align: 'right' })
  }
  return bottom + 26
}

/** From zero, or from the least where that is below it, to the most. */
function extent(curve: BalanceCurve): { readonly floor: bigint; readonly top: bigint } {
  let [floor, top] = [0n, 0n]
  for (const [, units] of curve) {
    if (units < floor) floor = units
    if (units > top) top = units
  }
  return { floor, top }
}

/** `2026-11-01 09:30` */
function minute(at: Instant): string {
  return formatInstant(at).slice(0, 16).replace('T', ' ')
}
