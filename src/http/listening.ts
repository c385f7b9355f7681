import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net'
import type { App } from './route.ts'

/**
 * Connections that may wait to be accepted, as far as the system allows as many (net.core.somaxconn). Of more, each begins
 * with a wait of seconds for its first packets to be sent again.
 */
const BACKLOG = 4_096

/**
 * The event loop takes one connection a turn from each socket that listens, and a turn under full load is milliseconds: a
 * thousand that come together would wait for seconds.
 */
const DOORS = 16

/**
 * Lets the app listen, on several sockets of one port where the system knows that (SO_REUSEPORT). Returns the port, which
 * is a free one where it was 0. Rejects with the system's error where it is in use, by another gateway as well. Closing
 * the app closes all, once what has been asked is answered.
 */
export async function listen(app: App, host: string, port: number): Promise<number> {
  const doors: Server[] = []
  let closed: Promise<unknown> | undefined
  let idle: NodeJS.Timeout | undefined
  app.addHook('preClose', async () => {
    closed = Promise.all(doors.map(close))
    idle = setInterval(() => app.server.closeIdleConnections(), 50)
  })
  app.addHook('onClose', async () => {
    await closed
    clearInterval(idle)
  })

  const reusePort = await canShare(host)
  // Whoever shares a port is let in to those who do: that it is nobody's has to be found out by one who does not.
  if (reusePort && port !== 0) await assertFree(host, port)
  const options = { host, port, backlog: BACKLOG, reusePort }
  await app.listen(options)
  const { port: actual } = app.server.address() as AddressInfo
  while (reusePort && doors.length < DOORS - 1) {
    const door = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => app.server.emit('connection', socket))
    doors.push(await open(door, { ...options, port: actual }))
  }
  return actual
}

/** Rejects with the system's error where the port is somebody's, or the host is no address of this machine. */
export async function assertFree(host: string, port: number): Promise<void> {
  await open(createServer(), { host, port }).then(close)
}

async function canShare(host: string): Promise<boolean> {
  try {
    await close(await open(createServer(), { host, port: 0, reusePort: true }))
    return true
  } catch {
    return false
  }
}

async function open(server: Server, options: ListenOptions): Promise<Server> {
  server.listen(options)
  await once(server, 'listening')
  return server
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
