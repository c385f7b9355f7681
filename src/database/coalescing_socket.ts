import { Socket } from 'node:net'
import type pg from 'pg'

/** Sends what was written to this client until now, for whoever has more to do in this turn of the event loop. */
export function sendNow(client: pg.ClientBase): void {
  socketOf(client).uncork()
}

/** What the driver writes to and reads from, of which its types do not tell. */
export function socketOf(client: pg.ClientBase): Socket {
  return (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream
}

const LONGEST_FAREWELL_MS = 5_000

/**
 * A socket that sends what is written in one turn of the event loop with one system call. Once it has said its last word,
 * it does not wait for good for that of the other side, which may be gone.
 */
export function coalescingSocket(): Socket {
  const socket = new Socket()
  socket.once('finish', () => socket.setTimeout(LONGEST_FAREWELL_MS, () => socket.destroy()))
  const [connect, write] = [socket.connect.bind(socket), socket.write.bind(socket)]
  let corked = false
  function writeSoon(...args: Parameters<typeof write>): boolean {
    if (!corked && !socket.connecting) {
      corked = true
      socket.cork()
      process.nextTick(() => {
        corked = false
        socket.uncork()
      })
    }
    return write(...args)
  }
  socket.connect = ((...args: Parameters<typeof connect>) => {
    connect(...args)
    // Here, as to connect gives a socket its own way to write back.
    socket.write = writeSoon as Socket['write']
    return socket
  }) as Socket['connect']
  return socket
}
