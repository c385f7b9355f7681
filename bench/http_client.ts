import { connect, type Socket } from 'node:net'

/** One answer: its status and its body as text. */
export type Answer = { readonly status: number; readonly body: string }

/**
 * A keep-alive HTTP/1.1 connection that sends one request at a time. Much leaner than fetch, so that on two cores what
 * is measured is the gateway and not its load generator. It understands what our server sends: Content-Length or chunks.
 */
export function createConnection(host: string, port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(over(socket)))
    socket.once('error', reject)
  })
}

export type Connection = {
  readonly send: (request: string) => Promise<Answer>
  readonly close: () => void
}

function over(socket: Socket): Connection {
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined
  let received: Buffer = Buffer.alloc(0)
  const lost = () => {
    waiting?.reject(new Error('the connection was lost'))
    waiting = undefined
  }
  socket.on('error', lost)
  socket.on('close', lost)
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const answer = readAnswer(received)
    if (!answer) return
    received = Buffer.alloc(0)
    const { resolve } = waiting ?? {}
    waiting = undefined
    resolve?.(answer)
  })
  const send = (request: string) =>
    new Promise<Answer>((resolve, reject) => {
      waiting = { resolve, reject }
      socket.write(request)
    })
  return { send, close: () => socket.destroy() }
}

/** The answer if it is there whole. */
function readAnswer(bytes: Buffer): Answer | undefined {
  const head = bytes.indexOf('\r\n\r\n')
  if (head < 0) return undefined
  const headers = bytes.toString('latin1', 0, head)
  const status = Number(headers.slice(9, 12))
  const length = /\r\ncontent-length: (\d+)/i.exec(headers)?.[1]
  if (length !== undefined) {
    const end = head + 4 + Number(length)
    return bytes.length < end ? undefined : { status, body: bytes.toString('utf8', head + 4, end) }
  }
  // Chunked: the body is only ever read as a whole, so chunk sizes are taken out at the end.
  if (bytes.toString('latin1', bytes.length - 5) !== '0\r\n\r\n') return undefined
  return { status, body: bytes.toString('utf8', head + 4).replace(/(^|\r\n)[0-9a-f]+\r\n/g, '') }
}
