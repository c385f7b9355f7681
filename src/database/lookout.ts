import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Pool } from './connection.ts'
import { isUnavailable } from './faults.ts'
import { createRounds, type Rounds } from './rounds.ts'

/**
 * Looks for work beside the requests: with one statement for every kind of it, so that a node with nothing to do hardly
 * asks its database anything. What a node does itself it need not look for; this finds what became due, and what is left
 * of nodes that died.
 */
export type Lookout = {
  /** Has `wake` called, within half a second, where `books` finds any: a query of the books that have such work. */
  readonly add: (books: string, wake: () => void) => void
  /** Begins to look, once every kind of work is there. */
  readonly begin: () => void
  readonly stop: () => Promise<void>
}

const LOOK_EVERY_MS = 500

/** How often work of a kind that is looked for is tried all the same. */
export const AT_LEAST_EVERY_MS = 10_000

type Work = Pick<Parameters<typeof createRounds>[0], 'round' | 'log' | 'fault'> & { readonly books: string }

/** Rounds of work that are begun where the lookout finds `books` that have some, and now and then all the same. */
export function roundsWhere(lookout: Lookout, { books, ...work }: Work): Rounds {
  const rounds = createRounds({ ...work, everyMs: AT_LEAST_EVERY_MS, waits: true })
  lookout.add(books, rounds.wake)
  return rounds
}

export function createLookout(pool: Pool, log: Log): Lookout {
  const kinds: { readonly books: string; readonly wake: () => void }[] = []
  const stopping = new AbortController()

  async function look(): Promise<void> {
    const { rows } = await pool.query<{ found: readonly boolean[] }>({
      name: 'look-for-work',
      text: `select array[${kinds.map(({ books }) => `exists (${books})`).join(', ')}]::boolean[] as found`,
    })
    for (const [index, { wake }] of kinds.entries()) if (rows[0]?.found[index]) wake()
  }

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) => {
        if (!isUnavailable(error)) log.error({ err: error }, 'could not look for work')
      })
      await delay(LOOK_EVERY_MS, undefined, { ref: false, signal: stopping.signal }).catch(() => undefined)
    }
  }

  let working: Promise<void> | undefined
  function begin(): void {
    working = work()
  }

  async function stop(): Promise<void> {
    stopping.abort()
    await working
  }
  return { add: (books, wake) => void kinds.push({ books, wake }), begin, stop }
}
