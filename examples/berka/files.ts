import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from '../../src/start_error.ts'

/** What a standing order is for: the bank's own word, `none` where it left the field blank. */
export const PURPOSES = ['SIPO', 'UVER', 'POJISTNE', 'LEASING', 'none'] as const
export type Purpose = (typeof PURPOSES)[number]

/** A standing order. Amounts are haléře, so that no sum is ever rounded. */
export type Order = {
  readonly id: string
  readonly account: string
  readonly bank: string
  readonly receiver: string
  readonly amount: bigint
  readonly purpose: Purpose
}

/** The part of the data set that is replayed: who owns which account, and what each account pays. */
export type Bank = {
  /** The client who owns each account, by the account's number. */
  readonly owners: ReadonlyMap<string, string>
  readonly orders: readonly Order[]
}

type Row = { readonly where: string; readonly field: (name: string) => string }
type Columns = Readonly<Record<string, RegExp>>

const number = /\d{1,9}/
const CLIENT = { client_id: number, birth_number: /"\d{6}"/, district_id: number }
const ACCOUNT = { account_id: number, district_id: number, frequency: /"[A-Z ]+"/, date: /\d{6}/ }
const DISPOSITION = { disp_id: number, client_id: number, account_id: number, type: /"(?:OWNER|DISPONENT)"/ }
const ORDER = {
  order_id: number,
  account_id: number,
  bank_to: /"[A-Z]{2}"/,
  account_to: /"\d{1,16}"/,
  amount: /\d{1,12}\.\d{2}/,
  k_symbol: /"(?:SIPO|UVER|POJISTNE|LEASING| )"/,
}

/**
 * Reads the four files of the bank and holds them against each other. Throws StartError, naming file and line, at the
 * first thing that is not as it must be: a replay of half a bank would be worth nothing.
 */
export async function readBank(folder: string): Promise<Bank> {
  // One after the other, so that of several wrong files it is always the same one that is named.
  const clients = await readTable(folder, 'client.asc', CLIENT)
  const accounts = await readTable(folder, 'account.asc', ACCOUNT)
  const dispositions = await readTable(folder, 'disp.asc', DISPOSITION)
  const orders = await readTable(folder, 'order.asc', ORDER)
  const clientRows = byNumber(clients, 'client_id')
  const accountRows = byNumber(accounts, 'account_id')
  byNumber(dispositions, 'disp_id')
  byNumber(orders, 'order_id')
  const owners = new Map<string, string>()
  for (const row of dispositions) {
    const client = known(row, 'client_id', clientRows)
    const account = known(row, 'account_id', accountRows)
    if (row.field('type') !== 'OWNER') continue
    if (owners.has(account)) throw new StartError(`${row.where}: account ${account} has a second owner`)
    owners.set(account, client)
  }
  for (const [account, row] of accountRows) {
    if (!owners.has(account)) throw new StartError(`${row.where}: account ${account} has no owner in disp.asc`)
  }
  return { owners, orders: orders.map((row) => toOrder(row, accountRows)) }
}

/** `"2452.00"` as haléře; also how the gateway writes CZK. */
export function parseHalere(text: string): bigint {
  if (!/^\d+\.\d{2}$/.test(text)) throw new StartError(`'${text}' is no amount of CZK`)
  return BigInt(text.replace('.', ''))
}

export function formatHalere(halere: bigint): string {
  const digits = halere.toString().padStart(3, '0')
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

function toOrder(row: Row, accounts: ReadonlyMap<string, Row>): Order {
  const amount = parseHalere(row.field('amount'))
  if (amount === 0n) throw new StartError(`${row.where}: the amount is zero`)
  return {
    id: row.field('order_id'),
    account: known(row, 'account_id', accounts),
    bank: row.field('bank_to'),
    receiver: row.field('account_to'),
    amount,
    purpose: PURPOSES.find((purpose) => purpose === row.field('k_symbol')) ?? 'none',
  }
}

async function readTable(folder: string, name: string, columns: Columns): Promise<Row[]> {
  const file = join(folder, name)
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'there is no such file' : (cause.code ?? cause.message)
    throw new StartError(`cannot read ${file}: ${why}`, { cause })
  })
  const lines = text.split('\n')
  // What follows the last line's end: nothing, or the file was cut off.
  if (lines.pop() !== '') throw new StartError(`${file} line ${lines.length + 1}: does not end with CR LF`)
  const names = Object.keys(columns)
  const header = `${names.map((column) => `"${column}"`).join(';')}\r`
  if (lines[0] !== header) throw new StartError(`${file} line 1: the header is not ${header.trimEnd()}`)
  const patterns = Object.values(columns).map(({ source }) => `(${source})`)
  const shape = new RegExp(`^${patterns.join(';')}\r$`)
  return lines.slice(1).map((line, index) => toRow(line, shape, names, `${file} line ${index + 2}`))
}

function toRow(line: string, shape: RegExp, names: readonly string[], where: string): Row {
  const match = shape.exec(line)
  if (!match) {
    if (!line.endsWith('\r')) throw new StartError(`${where}: does not end with CR LF`)
    throw new StartError(`${where}: ${JSON.stringify(line.slice(0, 80).trimEnd())} is not ${names.join(';')}`)
  }
  const fields = new Map(names.map((name, index) => [name, match[index + 1]?.replaceAll('"', '').trim() ?? '']))
  return { where, field: (name) => fields.get(name) ?? '' }
}

function byNumber(rows: readonly Row[], column: string): Map<string, Row> {
  const found = new Map<string, Row>()
  for (const row of rows) {
    const id = row.field(column)
    const first = found.get(id)
    if (first) throw new StartError(`${row.where}: ${column} ${id} is there already, in ${first.where}`)
    found.set(id, row)
  }
  return found
}

function known(row: Row, column: string, rows: ReadonlyMap<string, Row>): string {
  const id = row.field(column)
  if (!rows.has(id)) throw new StartError(`${row.where}: there is no ${column} ${id}`)
  return id
}
