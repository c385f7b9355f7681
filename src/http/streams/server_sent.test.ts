import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fastify, { type FastifyReply } from 'fastify'
import type { Follower, Followers, Following } from '../../events/follow.ts'
import type { BookId, EventId, UserId } from '../../ledger/id.ts'
import { streamEvents } from './server_sent.ts'
import type { Streams } from './streams.ts'

const HERE = { from: { txid: 1n, id: '00000000-0000-0000-0000-000000000000' as EventId }, end: () => undefined }

/** A node with one stream, whose reader is authenticated, and then admitted, when the test says so. */
function aNode() {
  const [joined, admitted] = [Promise.withResolvers<Follower>(), Promise.withResolvers<Following>()]
  const [asked, authenticated] = [Promise.withResolvers<FastifyReply['raw']>(), Promise.withResolvers<void>()]
  const app = fastify({ forceCloseConnections: true })
  const followers: Pick<Followers, 'join'> = {
    join: (follower) => {
      joined.resolve(follower)
      return admitted.promise
    },
  }
  const beats: (() => void)[] = []
  let places = 0
  const streams = {
    followers,
    enter: () => {
      places += 1
      return () => (places -= 1)
    },
    add: ({ beat }: { beat: () => void }) => beats.push(beat),
    remove: () => undefined,
    log: { warn: () => undefined },
  } as unknown as Streams
  const [book, userId] = ['main' as unknown as BookId, 'ada' as unknown as UserId]
  app.get('/stream', async (_, reply) => {
    asked.resolve(reply.raw)
    await authenticated.promise
    return streamEvents({ streams, reply, book, userId, session: async () => undefined, after: undefined })
  })
  app.get('/', () => 'here')
  const { promise: asking } = asked
  const { resolve: authenticate } = authenticated
  return { app, asking, authenticate, joined: joined.promise, admit: admitted.resolve, beats, places: () => places }
}

describe('a stream of events', () => {
  let node: ReturnType<typeof aNode>
  let url: string
  beforeEach(async () => {
    node = aNode()
    url = await node.app.listen()
  })
  afterEach(() => node.app.close())

  it('is not begun, and takes no place, for a reader that left while its token was looked up', async () => {
    const leaving = new AbortController()
    const answer = fetch(`${url}/stream`, { signal: leaving.signal })
    const reply = await node.asking
    const left = once(reply, 'close')
    leaving.abort()
    await Promise.all([left, assert.rejects(answer)])
    node.authenticate()
    // What the stream had done by now would be done before this.
    assert.equal(await (await fetch(url)).text(), 'here')
    assert.equal(node.places(), 0)
  })

  it('is open once it tells all that happens from there on, and not before', async () => {
    let open = false
    node.authenticate()
    const answer = fetch(`${url}/stream`).then((response) => {
      open = true
      return response
    })
    await node.joined
    for (const beat of node.beats) beat()
    // What the stream had sent by now would be here before this.
    assert.equal(await (await fetch(url)).text(), 'here')
    assert.equal(open, false)
    node.admit(HERE)
    const { body } = await answer
    const { value } = (await body?.getReader().read()) ?? {}
    assert.match(Buffer.from(value ?? []).toString(), /^retry: 1000\nid: 1-0{26}\n\n$/)
  })
})
