import { withOwner } from '../src/database/connection.ts'
import { writeCursor } from '../src/database/list_cursor.ts'
import { decodeId } from '../src/ledger/typeid.ts'
import type { Task } from './load.ts'
import { writeHistory } from './past.ts'
import { type Line, within } from './report.ts'
import { median } from './rounds.ts'
import { say } from './say.ts'
import type { Server } from './server.ts'

// What reading costs on an account with a million operations, against one with ten.

const OPERATIONS = 1_000_000
const PAGE = 50
const DEEP = 10_000
const TRIES = 200

/** Accounts, balances and pages: each as a ratio of medians of interleaved requests. */
export async function measureReads(server: Server, payers: Task['payers']): Promise<Line[]> {
  const [payer, other] = payers
  const [small, large] = payer?.accounts ?? []
  const from = other?.accounts[0]
  if (!payer || !small || !large || !from) throw new Error('there is nobody to read for')
  say(`writing ${OPERATIONS} operations of one account`)
  await writeHistory(server, from, large, OPERATIONS)

  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      headers: { authorization: `Bearer ${payer.token}` },
    })
    if (response.status !== 200) throw new Error(`${path} was answered with ${response.status}`)
    return (await response.json()) as { next_cursor?: string }
  }
  const page = (account: string, cursor = '') =>
    `/v1/operations?account_id=${account}&sort=created_at&limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`

  say('reading it')
  const cursor = await cursorBehind(server, large, PAGE * (DEEP - 1), (await get(page(large))).next_cursor ?? '')
  const compared = async (name: string, what: string, bar: number, one: string, many: string): Promise<Line> => {
    const [few, lots] = await alternate(
      () => get(one),
      () => get(many),
    )
    return within({
      name,
      what,
      figure: `${lots.toFixed(2)} ms`,
      ratio: lots / few,
      against: `${few.toFixed(2)} ms`,
      bar,
      detail: {},
    })
  }
  const at = (account: string) => `/v1/accounts/${account}/balance?at=2020-06-01T00:00:00Z`
  return [
    await compared(
      'account',
      'an account with 1 000 000 operations, against 10',
      1.2,
      `/v1/accounts/${small}`,
      `/v1/accounts/${large}`,
    ),
    await compared('balance', 'its balance at a time in the past', 1.2, at(small), at(large)),
    await compared('page', `its page ${DEEP}, against the first`, 1.5, page(large), page(large, cursor)),
  ]
}

/** The cursor behind so many operations, made of that of the first page: to walk there takes a minute and ends at the same. */
async function cursorBehind(server: Server, account: string, passed: number, first: string): Promise<string> {
  const [signature, , direction] = JSON.parse(Buffer.from(first, 'base64url').toString())
  const { rows } = await withOwner(server.connection, (client) =>
    client.query('select id from postings where book = 1 and debit_account = $1 order by id offset $2 - 1 limit 1', [
      decodeId('acc', account),
      passed,
    ]),
  )
  return writeCursor(signature, [rows[0].id, direction])
}

/** Median milliseconds of each, asked in turns. */
async function alternate(one: () => Promise<unknown>, other: () => Promise<unknown>): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []]
  for (let turn = 0; turn < TRIES; turn += 1) {
    for (const [index, ask] of [one, other].entries()) {
      const began = performance.now()
      await ask()
      times[index]?.push(performance.now() - began)
    }
  }
  return [median(times[0]), median(times[1])]
}
