import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { after, describe, it } from 'node:test'
import fastify from 'fastify'
import { listen } from './listening.ts'
import type { App } from './route.ts'

const HOST = '127.0.0.1'
const anApp = () => fastify({ forceCloseConnections: 'idle' }) as unknown as App

describe('listening', () => {
  const apps: App[] = []
  after(() => Promise.all(apps.map((app) => app.close())))

  async function aListeningApp() {
    const app = anApp()
    apps.push(app)
    app.get('/', () => 'here')
    return { app, port: await listen(app, HOST, 0) }
  }

  it('lets a crowd in that comes at once, many of it in each turn of the event loop', async () => {
    const { app, port } = await aListeningApp()
    const crowd = 300
    let [cameIn, turns] = [0, 0]
    app.server.on('connection', () => {
      cameIn += 1
    })
    const sockets = Array.from({ length: crowd }, () => connect(port, HOST))
    while (cameIn < crowd) {
      await new Promise((resolve) => setImmediate(resolve))
      turns += 1
    }
    for (const socket of sockets) socket.destroy()
    // Elsewhere a port has one socket, from which each turn takes one.
    assert.ok(turns < (process.platform === 'linux' ? crowd / 2 : crowd * 2), `${turns} turns`)
  })

  it('answers everybody, whichever socket took the connection', async () => {
    const { port } = await aListeningApp()
    const ask = async () => (await fetch(`http://${HOST}:${port}/`)).text()
    assert.deepEqual(new Set(await Promise.all(Array.from({ length: 100 }, ask))), new Set(['here']))
  })

  it('is refused on a port that another gateway listens on, or another program', async () => {
    const { port } = await aListeningApp()
    const other = createServer().listen(0, HOST)
    await once(other, 'listening')
    const { port: others } = other.address() as { port: number }
    for (const taken of [port, others]) {
      const app = anApp()
      await assert.rejects(listen(app, HOST, taken), { code: 'EADDRINUSE' })
      await app.close()
    }
    other.close()
  })

  it('is over when the app is closed: what was begun is answered, nobody comes in, and the port is free', async () => {
    const app = anApp()
    let answer = () => {}
    const asked = new Promise<void>((begun) => {
      app.get('/', () => {
        begun()
        return new Promise((resolve) => {
          answer = () => resolve('late')
        })
      })
    })
    const port = await listen(app, HOST, 0)
    const idle = Array.from({ length: 50 }, () => connect(port, HOST))
    for (const _ of idle) await once(app.server, 'connection')
    const answered = fetch(`http://${HOST}:${port}/`).then((response) => response.text())
    await asked
    const ended = idle.map((socket) => once(socket.resume(), 'end'))
    const closed = app.close()
    await Promise.all(ended)
    answer()
    assert.equal(await answered, 'late')
    await closed
    const next = anApp()
    assert.equal(await listen(next, HOST, port), port)
    await next.close()
  })
})
