import { createPool } from '../src/database/connection.ts'
import { makeOperator } from '../src/identity/operators.ts'
import { createPasswords } from '../src/identity/passwords.ts'
import type { BookId } from '../src/ledger/id.ts'
import type { Task } from './load.ts'
import type { Server } from './server.ts'

export const MAIN = { id: 1 as BookId, name: 'main' }
/** Accounts of one payer. */
export const ACCOUNTS_EACH = 500
const PASSWORD = 'a password for the bench'

/**
 * Opens `count` funded accounts in USD through the API and gives each of their owners a token: each pays from accounts
 * of their own, as users do.
 */
export async function seed(server: Server, count: number): Promise<Task['payers']> {
  const pool = createPool(server.connection, 4, 'bench')
  // Nobody logs in with a password here, so that it may cost nothing.
  const means = { pool, passwords: createPasswords({ memory: 8, passes: 1 }) }
  try {
    const token = await makeOperator(means, MAIN, 'bench@example.com', PASSWORD, false, 1)
    const accounts = Array.from({ length: ACCOUNTS_EACH }, () => ({ currency: 'USD', opening_balance: '1000000.00' }))
    const emails = Array.from({ length: count / ACCOUNTS_EACH }, (_, index) => `payer-${index}@example.com`)
    const third = Math.ceil(emails.length / 3)
    const parts = [emails.slice(0, third), emails.slice(third, 2 * third), emails.slice(2 * third)]
    const makePayers = async (part: readonly string[]) => {
      const payers: { token: string; accounts: string[] }[] = []
      for (const { email, accounts: ids } of await importUsers(server.port, token, part, accounts)) {
        // Only an operator's password and token can be set from outside; from one's own accounts it is a user like any other.
        payers.push({ token: await makeOperator(means, MAIN, email, PASSWORD, false, 1), accounts: ids })
      }
      return payers
    }
    return (await Promise.all(parts.map(makePayers))).flat()
  } finally {
    await pool.end()
  }
}

/** Users with accounts of their own, made by an operator. */
export async function importUsers(port: number, token: string, emails: readonly string[], accounts: readonly object[]) {
  const lines = emails.map((email) => JSON.stringify({ email, accounts }))
  const response = await fetch(`http://127.0.0.1:${port}/v1/admin/users/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  })
  const answers = (await response.text()).trimEnd().split('\n')
  return answers.map((line) => {
    const { status, email, accounts: opened } = JSON.parse(line)
    if (status !== 201) throw new Error(`a payer was not made: ${line}`)
    return { email, accounts: opened.map(({ id }: { id: string }) => id) }
  })
}
