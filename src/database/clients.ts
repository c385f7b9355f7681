import type { Client, Pool } from './connection.ts'

/**
 * Clients of a pool that go from one transaction to the next: to have one of the pool takes until all that this turn of
 * the event loop set off is done.
 */
export type Clients = {
  /** One that was just given back, or one of the pool. */
  readonly take: () => Client | Promise<Client>
  /** Gives one back, which the pool has again unless it is taken within this turn. A broken one is closed. */
  readonly give: (client: Client, broken?: Error) => void
}

export function createClients(pool: Pool): Clients {
  const given: Client[] = []

  function release(client: Client): void {
    const place = given.indexOf(client)
    if (place < 0) return
    given.splice(place, 1)
    client.release()
  }

  function give(client: Client, broken?: Error): void {
    if (broken) {
      client.release(broken)
    } else {
      given.push(client)
      setImmediate(release, client)
    }
  }

  return { take: () => given.pop() ?? pool.connect(), give }
}
