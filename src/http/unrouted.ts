import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ApiError } from './errors.ts'
import { problemHeaders, problemOf } from './problem.ts'

// What every answer says in its headers, and answers that are given where there is no framework yet.

/** For answers that are data and no pages; the few pages say what they need themselves. */
const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
}

/** The headers of every answer to the request of that id. */
export function headersOfAll(requestId: string) {
  return { ...SECURITY_HEADERS, 'x-request-id': requestId }
}

/** A caller's own request id where it is harmless, or a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:-]{1,100}$/.test(header) ? header : `req_${randomUUID()}`
}

/**
 * Whether a request would become a WebSocket. Any other offer of a protocol is left alone (RFC 9110 §7.8), as Java's
 * client makes it for HTTP/2 with each first request: Node would hand over the connection, and the body on it be lost.
 */
export function isHandshake({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** An error as it is answered: status, headers and body. */
export function rawProblem(error: ApiError, requestId: string) {
  const problem = problemOf(error, requestId)
  const body = JSON.stringify(problem)
  const headers = {
    ...headersOfAll(requestId),
    ...problemHeaders(problem),
    'content-length': Buffer.byteLength(body),
  }
  return { status: problem.status, headers, body }
}

/** A connection as Node keeps it: with the answer that goes out next, until it has. */
type Connection = Socket & { readonly _httpMessage?: ServerResponse | null }

/** Connections that end when what was asked on them is answered. */
const ending = new WeakSet<Socket>()

/**
 * Answers what Node could not read as HTTP, and ends the connection. What came whole before it may be done by now: it has
 * its own answers first, and one that is begun is at least not mixed with another.
 */
export function hangUp(error: Error & { readonly code?: string }, socket: Connection): void {
  if (error.code === 'ECONNRESET') return void socket.destroy()
  refuseAndEnd(new ApiError('malformed_request'), socket)
}

/**
 * The same of whoever asks for a tunnel (RFC 9110 §9.3.6). Node lets go of the connection, and looks no more after what is
 * still to be sent on it.
 */
export function refuseTunnel(socket: Connection): void {
  for (const event of ['error', 'timeout']) socket.on(event, () => socket.destroy())
  socket.on('drain', () => socket._httpMessage?.emit('drain'))
  socket.resume()
  refuseAndEnd(new ApiError('malformed_request', 'This is no proxy, and knows no CONNECT'), socket)
}

function refuseAndEnd(refusal: ApiError, socket: Connection): void {
  if (ending.has(socket)) return
  if (!socket.writable) return void socket.destroy()
  const answer = socket._httpMessage
  if (answer && (answer.writableEnded || (answer.req.complete && !answer.headersSent))) {
    ending.add(socket)
    return void answer.once('finish', () => {
      ending.delete(socket)
      if (socket.writable) refuseAndEnd(refusal, socket)
    })
  }
  if (answer?.headersSent) return void socket.destroy()
  const { headers, body } = rawProblem(refusal, requestIdOf(undefined))
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 400 Bad Request\r\n${lines.join('')}\r\n${body}`, () => socket.destroySoon())
}
