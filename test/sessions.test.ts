import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { createBooks } from '../src/books/books.ts'
import { withOwner } from '../src/database/connection.ts'
import { makeOperator } from '../src/identity/operators.ts'
import { createPasswords } from '../src/identity/passwords.ts'
import { createSessions } from '../src/identity/sessions.ts'
import type { BookId } from '../src/ledger/id.ts'
import { createLog } from '../src/log.ts'
import { aDatabase } from './harness/cluster.ts'
import { CHEAP, PASSWORD } from './harness/gateway.ts'
import { aPool } from './harness/pool.ts'

describe('What a node keeps of a token', () => {
  it('is good again after one look for all who ask, where looks come late', async (t) => {
    const { token, sessions, asked, later } = await aNode(t)
    later(1_000)
    const found = await Promise.all(Array.from({ length: 50 }, () => sessions.find(token)))
    assert.equal(found.filter(Boolean).length, 50)
    assert.deepEqual(asked, ['session-changes'])
  })

  it('is not good after a look that began too long before', async (t) => {
    const { token, sessions, revoke, later, holdNext } = await aNode(t)
    later(1_000)
    const { held, letGo } = holdNext()
    const first = sessions.find(token)
    await held
    await revoke()
    later(1_000)
    const second = sessions.find(token)
    letGo()
    assert.ok(await first, 'who asked before it was revoked may have been let in')
    assert.equal(await second, undefined)
  })

  it('is good until it expires by the database’s own clock, which after a slow look is behind where a node takes it to be', async (t) => {
    const { token, sessions, asked, expiresIn, toldLater, later } = await aNode(t)
    await expiresIn(20_000)
    toldLater(25_000)
    later(1_000)
    assert.ok(await sessions.find(token))
    assert.deepEqual(asked, ['session-changes', 'session'])
    await expiresIn(0)
    assert.equal(await sessions.find(token), undefined)
  })

  it('is not good where nobody can look', async (t) => {
    const { token, sessions, later, failNext } = await aNode(t)
    later(1_000)
    failNext()
    await assert.rejects(sessions.find(token), /away/)
    assert.ok(await sessions.find(token))
  })

  it('is not good where it was revoked in a minute in which nobody could look', async (t) => {
    const { token, sessions, revoke, later, changesAge, forgotten } = await aNode(t)
    await revoke()
    later(61_000)
    await changesAge(61_000)
    assert.equal(await sessions.find(token), undefined)
    assert.ok(forgotten.includes('all'), 'nor is what is kept of accounts, such as the name of somebody erased')
  })

  it('is not good where it was revoked while the whole machine stood still for a minute, its own clock too', async (t) => {
    const { token, sessions, revoke, later, changesAge, forgotten } = await aNode(t)
    await revoke()
    await changesAge(61_000)
    later(1_000)
    assert.equal(await sessions.find(token), undefined)
    assert.ok(forgotten.includes('all'))
  })

  it('is let go of with all else where another server answers, which may not have what was committed last', async (t) => {
    const { token, sessions, later, forgotten, failOver } = await aNode(t)
    later(1_000)
    assert.ok(await sessions.find(token))
    assert.deepEqual(forgotten, [])
    // No look has failed: the node has looked before it took over and behind that.
    failOver()
    later(1_000)
    assert.ok(await sessions.find(token))
    assert.deepEqual(forgotten, ['all'])
  })
})

/** What a node knows of one token, by a clock of the test's own. Looks are made where somebody asks, not by a timer. */
async function aNode(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const database = await aDatabase()
  const pool = aPool(database, 4)
  const passwords = createPasswords(CHEAP)
  const main = { id: 1 as BookId, name: 'main' }
  const newToken = () => makeOperator({ pool, passwords }, main, 'ada@example.com', PASSWORD, false, 1)
  const token = await newToken()

  const [asked, forgotten]: [string[], string[]] = [[], []]
  let next: ((asking: Promise<unknown>) => Promise<void>) | undefined
  type Answer = { readonly rows: readonly { now?: bigint; server?: string }[] }
  const query = pool.query.bind(pool) as (...statement: [{ name: string }]) => Promise<Answer>
  let ahead = 0n
  let changed = ''
  t.mock.method(pool, 'query', async (...statement: [{ name: string }]) => {
    asked.push(statement[0].name)
    const before = next
    next = undefined
    const answer = query(...statement).then(({ rows }) => ({
      rows: rows.map((row) =>
        row.now === undefined ? row : { ...row, now: row.now + ahead, server: `${row.server}${changed}` },
      ),
    }))
    await before?.(answer)
    return answer
  })
  let at = 0
  const sessions = createSessions(
    pool,
    createBooks(pool),
    createLog('silent'),
    { forgetUser: () => forgotten.push('user'), forgetAll: () => forgotten.push('all') },
    () => at,
  )
  t.after(() => sessions.stop())
  // The first look finds that the operator was made just now, and drops what was read before it.
  for (const _ of ['read', 'looked, and read again']) await sessions.find(token)
  asked.length = 0
  forgotten.length = 0
  /** The database's clock is told to the node so much later than it is. */
  const toldLater = (milliseconds: number) => {
    ahead += BigInt(milliseconds) * 1_000n
  }
  return {
    token,
    sessions,
    asked,
    forgotten,
    later: (milliseconds: number) => {
      at += milliseconds
    },
    toldLater,
    failOver: () => {
      changed = ' on another host'
    },
    /** The same by the database's clock: what was changed until now is that much longer ago. */
    changesAge: async (milliseconds: number) => {
      toldLater(milliseconds)
      await withOwner(database, (client) =>
        client.query(`update session_changes set changed_at = changed_at - $1 * interval '1 millisecond'`, [
          milliseconds,
        ]),
      )
    },
    /** The token expires so much later, and the node has seen it since. */
    expiresIn: async (milliseconds: number) => {
      const { rows } = await withOwner(database, (client) =>
        client.query(
          `update tokens set expires_at = clock_timestamp() + $1 * interval '1 millisecond' returning user_id`,
          [milliseconds],
        ),
      )
      sessions.forget(main.id, rows[0].user_id)
      await sessions.find(token)
      asked.length = 0
    },
    /** A second token of an operator is in place of the first. */
    revoke: newToken,
    /** What is asked next is answered by the database, and then held until it is let go. */
    holdNext: () => {
      const [held, letGo] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      next = async (answer) => {
        await answer
        held.resolve()
        await letGo.promise
      }
      return { held: held.promise, letGo: letGo.resolve }
    },
    failNext: () => {
      next = () => Promise.reject(new Error('the database is away'))
    },
  }
}
