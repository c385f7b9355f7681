import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Pool } from '../database/connection.ts'
import type { BookId, EventId, UserId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
import type { Feed, Listener } from './feed.ts'
import { createFollowers } from './follow.ts'
import type { Position } from './position.ts'
import type { BookEvent } from './read.ts'

const [BOOK, ADA] = ['main' as unknown as BookId, 'ada' as unknown as UserId]

const at = (txid: bigint): Position => ({ txid, id: '00000000-0000-7000-8000-000000000000' as EventId })
const anEvent = (txid: bigint) => ({ position: at(txid), viewers: [ADA] }) as unknown as BookEvent

/** A node that has read all up to transaction 10, of a database in which all up to 12 are there to be read. */
function aNode() {
  let tellNode: Listener = () => assert.fail('nobody listens')
  const feed: Pick<Feed, 'listen'> = {
    listen: async (_, listener) => {
      tellNode = listener
      return { from: at(10n), end: () => undefined }
    },
  }
  const pool = { query: async () => ({ rows: [{ txid: '13', now: 0n }] }) } as unknown as Pool
  const followers = createFollowers({ pool, feed: feed as Feed, log: {} as Log })
  const read = (...txids: bigint[]) => tellNode(txids.map(anEvent))
  return { followers, read }
}

/** Ada, and the transactions that she was told of. */
function aReader() {
  const told: bigint[] = []
  const tell = ({ position }: BookEvent) => told.push(position.txid)
  return { told, follower: { book: BOOK, userId: ADA, tell, isFull: () => false, ready: async () => true } }
}

describe('who comes back to a node', () => {
  it('that has not read yet what another node told is told it no second time', async () => {
    const { followers, read } = aNode()
    const { told, follower } = aReader()
    const { from } = await followers.resume(follower, at(12n))
    assert.deepEqual(from, at(12n))
    read(11n, 12n)
    read(13n)
    assert.deepEqual(told, [13n])
  })

  it('with a position that nobody was told yet is told what happens from now on', async () => {
    const { followers, read } = aNode()
    const { told, follower } = aReader()
    const { from } = await followers.resume(follower, at(1_000n))
    assert.deepEqual(from, at(10n))
    read(11n)
    assert.deepEqual(told, [11n])
  })
})
