import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import fastify from 'fastify'
import type { App } from './route.ts'
import { endUnread } from './unread_answers.ts'

const PIECE = 'x'.repeat(64 * 1024)
/** More than systems keep for one connection. */
const PIECES = 256

/** A server with a long page and a long export, and what `ask` makes of it. */
async function withServer(longestMs: number | undefined, ask: (app: App, port: number) => Promise<void>) {
  const app = fastify()
  endUnread(app as unknown as App, longestMs)
  app.get('/page', () => PIECE.repeat(PIECES))
  app.get('/export', (_, reply) => reply.send(Readable.from(Array(PIECES).fill(PIECE))))
  await app.listen()
  try {
    await ask(app as unknown as App, (app.server.address() as AddressInfo).port)
  } finally {
    await app.close()
  }
}

describe('a long answer', () => {
  for (const path of ['/page', '/export']) {
    it(`of which nobody takes anything ends with its connection: ${path}`, () =>
      withServer(100, async ({ server }, port) => {
        const accepted = once(server, 'connection')
        const socket = connect(port)
        socket.on('error', () => undefined)
        socket.write(`GET ${path} HTTP/1.1\r\nhost: gateway\r\n\r\n`)
        const [line] = await accepted
        await once(line, 'close')
        socket.destroy()
      }))

    it(`is whole for who reads it, and its connection serves the next: ${path}`, () =>
      withServer(undefined, async (_, port) => {
        for (const _ of [1, 2]) {
          const answer = await fetch(`http://localhost:${port}${path}`)
          assert.equal((await answer.text()).length, PIECES * PIECE.length)
        }
      }))
  }
})
