import { connect, type Socket } from 'node:net'

/** One answer: its status and its body as text. */
export type Answer = { readonly status: number; readonly body: string }

/**
 * A keep-alive HTTP/1.1 connection that sends one request at a time. Much leaner than fetch, so that on two cores what
 * is measured is the gateway and not its load generator. It understands what our server sends: Content-Length or chunks.
 */
export function createConnection(host: string, port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    // Read past the stream, into one buffer for all connections: half of what an answer would cost.
    const onread = {
      buffer: RECEIVED,
      callback: (size: number, buffer: Uint8Array) => {
        connection.heard(Buffer.from(buffer.buffer, buffer.byteOffset, size))
        return true
      },
    }
    const socket = connect({ host, port, noDelay: true, onread }, () => resolve(connection))
    const connection = over(socket)
    socket.once('error', reject)
  })
}

export type Connection = {
  readonly send: (request: string) => Promise<Answer>
  readonly close: () => void
}

const RECEIVED = Buffer.alloc(64 * 1024)

/** Where the body begins, and how long it is: undefined where it comes in chunks. */
type Head = { readonly status: number; readonly size: number; readonly length: number | undefined }

function over(socket: Socket): Connection & { readonly heard: (part: Buffer) => void } {
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined
  let head: Head | undefined
  let parts: Buffer[] = []
  let received = 0
  const lost = () => {
    waiting?.reject(new Error('the connection was lost'))
    waiting = undefined
  }
  const whole = () => (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts))
  socket.on('error', lost)
  socket.on('close', lost)
  const heard = (part: Buffer) => {
    parts.push(part)
    received += part.length
    head ??= readHead(whole())
    if (!head || !isWhole(head, received, parts)) {
      // The next read overwrites it.
      parts[parts.length - 1] = Buffer.from(part)
      return
    }
    const answer = { status: head.status, body: readBody(head, whole()) }
    const { resolve } = waiting ?? {}
    waiting = undefined
    head = undefined
    parts = []
    received = 0
    resolve?.(answer)
  }
  const send = (request: string) =>
    new Promise<Answer>((resolve, reject) => {
      waiting = { resolve, reject }
      socket.write(request, 'latin1')
    })
  return { send, heard, close: () => socket.destroy() }
}

function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const headers = bytes.toString('latin1', 0, end)
  const length = /\r\ncontent-length: (\d+)/i.exec(headers)?.[1]
  const status = Number(headers.slice(9, 12))
  return { status, size: end + 4, length: length === undefined ? undefined : Number(length) }
}

const LAST_CHUNK = '0\r\n\r\n'

function isWhole({ size, length }: Head, received: number, parts: readonly Buffer[]): boolean {
  if (length !== undefined) return received >= size + length
  const tail = Buffer.concat(parts.slice(-LAST_CHUNK.length).map((part) => part.subarray(-LAST_CHUNK.length)))
  return tail.toString('latin1', tail.length - LAST_CHUNK.length) === LAST_CHUNK
}

function readBody({ size, length }: Head, bytes: Buffer): string {
  if (length !== undefined) return bytes.toString('utf8', size, size + length)
  const chunks: Buffer[] = []
  for (let at = size; ; ) {
    const begins = bytes.indexOf('\r\n', at) + 2
    const ends = begins + Number.parseInt(bytes.toString('latin1', at, begins - 2), 16)
    if (ends === begins) return Buffer.concat(chunks).toString()
    chunks.push(bytes.subarray(begins, ends))
    at = ends + 2
  }
}
