import { NoAnswerError } from './errors.ts'

/** One WebSocket. Once it is closed or lost it tells nothing more. */
export type Line = { readonly say: (...messages: readonly object[]) => void; readonly close: () => void }

/** What is needed of a WebSocket: that of browsers and Node has it, and that of the package `ws`. */
export type Socket = {
  readonly readyState: number
  readonly OPEN: number
  readonly send: (text: string) => void
  readonly close: () => void
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void
}
export type SocketMaker = new (url: string, protocols: string[]) => Socket

export type LineEnds = {
  readonly onOpen: (line: Line) => void
  readonly onMessage: (message: never) => void
  readonly onLost: (why: NoAnswerError, code?: number) => void
}

const PING_EVERY_MS = 20_000

/** Opens a WebSocket of JSON messages; one on which nothing is heard any more, or that does not open, counts as lost. */
export function openLine(Socket: SocketMaker, url: string, protocols: string[], ends: LineEnds): Line {
  const socket = new Socket(url, protocols)
  let over = false
  let heard = true
  const beat = setInterval(() => {
    if (!heard) return lose(new NoAnswerError('nothing is heard any more'))
    heard = false
    say({ ping: '' })
  }, PING_EVERY_MS)

  function say(...messages: readonly object[]): void {
    if (socket.readyState !== socket.OPEN) return
    for (const message of messages) socket.send(JSON.stringify(message))
  }

  function close(): void {
    over = true
    clearInterval(beat)
    socket.close()
  }

  function lose(why: NoAnswerError, code?: number): void {
    if (over) return
    close()
    ends.onLost(why, code)
  }

  const line = { say, close }
  socket.addEventListener('open', () => {
    heard = true
    if (!over) ends.onOpen(line)
  })
  socket.addEventListener('message', ({ data }) => {
    heard = true
    if (!over) ends.onMessage(JSON.parse(String(data)) as never)
  })
  socket.addEventListener('close', ({ code, reason }) => {
    lose(new NoAnswerError(`the WebSocket was closed: ${code} ${reason}`.trimEnd()), code)
  })
  // A close follows, which says as much as a browser tells.
  socket.addEventListener('error', () => undefined)
  return line
}
