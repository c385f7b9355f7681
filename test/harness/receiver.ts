import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { Webhook } from 'standardwebhooks'

/** A message that a receiver got. */
export type Received = {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: any
  readonly at: number
}

/** How a receiver answers: with a status, or as it likes. */
export type Behaviour = number | ((response: ServerResponse, received: Received, path: string) => void)

export type Receiver = {
  readonly url: string
  /** All that came, in the order in which it did. */
  readonly received: readonly Received[]
  readonly behave: (behaviour: Behaviour) => void
  readonly close: () => Promise<void>
}

/** An HTTP server of somebody who has a webhook. It answers 204 until it is told otherwise. */
export async function aReceiver(behaviour: Behaviour = 204): Promise<Receiver> {
  const received: Received[] = []
  let current = behaviour
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const message = { headers: request.headers, text, body: text === '' ? null : JSON.parse(text), at: Date.now() }
    received.push(message)
    if (typeof current === 'number') response.writeHead(current).end()
    else current(response, message, request.url ?? '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closed
  }
  after(close)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return { url, received, close, behave: (next) => (current = next) }
}

/** What the library of the specification reads in a message; throws where the secret did not sign it. */
export function verified({ text, headers }: Received, secret: string): any {
  return new Webhook(secret).verify(text, headers as Record<string, string>)
}
