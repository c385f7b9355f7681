import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import type { Pool } from '../../src/database/connection.ts'
import type { Reply } from './client.ts'

/** What the handler of a call did before it answered: what an attacker with a clock could notice. */
export type Work = { passwordHashes: number; readonly statements: string[] }

/**
 * Sees what the gateway of that pool does for calls made through it, one at a time; what goes on beside them, such as
 * the mails that they asked for, does not count. `stop` ends it.
 */
export function watchWork(pool: Pool) {
  const working = new AsyncLocalStorage<Work>()
  let latest: Work | undefined
  const { start } = tracingChannel('fastify.request.handler')
  start.bindStore(working, () => {
    latest = { passwordHashes: 0, statements: [] }
    return latest
  })
  const hook = createHook({
    init: (_id, type) => {
      const work = type === 'ARGON2REQUEST' ? working.getStore() : undefined
      if (work) work.passwordHashes += 1
    },
  }).enable()
  noteStatements(pool, working)

  return {
    async of(ask: () => Promise<Reply>): Promise<Work & { readonly status: number }> {
      latest = undefined
      const { status } = await ask()
      if (!latest) throw new Error('no handler was called')
      return { status, ...(latest as Work) }
    },
    stop(): void {
      start.unbindStore(working)
      hook.disable()
    },
  }
}

/** Notes single statements, and those of transactions, for the call that they are of. */
function noteStatements(pool: Pool, working: AsyncLocalStorage<Work>): void {
  const single = pool.query.bind(pool) as (...asked: unknown[]) => unknown
  Object.assign(pool, {
    query: (...asked: unknown[]) => {
      working.getStore()?.statements.push(textOf(asked))
      return single(...asked)
    },
  })
  const watched = new WeakSet()
  pool.on('acquire', (client) => {
    if (watched.has(client)) return
    watched.add(client)
    const query = client.query.bind(client) as (...asked: unknown[]) => unknown
    // A single statement gets its connection in the turn of somebody else, a transaction begins in its own.
    let inTransaction: Work | undefined
    Object.assign(client, {
      query: (...asked: unknown[]) => {
        const text = textOf(asked)
        if (text === 'begin') inTransaction = working.getStore()
        inTransaction?.statements.push(text)
        if (text === 'commit' || text === 'rollback') inTransaction = undefined
        return query(...asked)
      },
    })
  })
}

function textOf([statement]: unknown[]): string {
  return typeof statement === 'string' ? statement : (statement as { text: string }).text
}
