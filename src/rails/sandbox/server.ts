import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { signatureOf } from '../../webhooks/signature.ts'
import { behaviorOf } from './behavior.ts'

// The sandbox rail: a bank, a wallet and a chain that somebody plays. A process of its own that speaks HTTP, reports by
// signed callbacks, and misbehaves on demand: the last digits of an amount say how (behavior.ts).

type Instruction = {
  readonly reference: string
  readonly rail: string
  readonly direction: string
  readonly amount: string
  readonly currency: string
  readonly callback_url: string
}

type State = 'processing' | 'confirmed' | 'refused' | 'canceled'
type Order = {
  readonly instruction: Instruction
  state: State
  amount: string
  reason: string | null
  readonly railReference: string
}

export type SandboxOptions = {
  /** What callbacks are signed with, and who calls must know. */
  readonly secret: string
  /** How long "later" is. */
  readonly laterMs: number
  readonly say: (line: string) => void
}

/** The server, not listening yet. What it knows is gone when it ends. */
export function createSandbox(options: SandboxOptions): Server {
  const orders = new Map<string, Order>()
  const refusedOnce = new Set<string>()

  function accept(instruction: Instruction): { status: number; body: object } {
    const known = orders.get(instruction.reference)
    if (known) return { status: 200, body: reportOf(known) }
    const behavior = behaviorOf(instruction.amount)
    if (behavior === 'unreachable' && !refusedOnce.has(instruction.reference)) {
      refusedOnce.add(instruction.reference)
      return { status: 503, body: { error: 'not now' } }
    }
    const order: Order = {
      ...{ instruction, state: 'processing', amount: instruction.amount, reason: null },
      railReference: `sbx_${randomUUID()}`,
    }
    if (behavior === 'lose' && !refusedOnce.has(instruction.reference)) {
      // Says that it has it, and has forgotten it at once.
      refusedOnce.add(instruction.reference)
      return { status: 202, body: reportOf(order) }
    }
    orders.set(instruction.reference, order)
    // Whatever becomes of it is told later: the answer never has the outcome.
    const accepted = reportOf(order)
    play(order, behavior).catch((error: unknown) => options.say(`could not report ${instruction.reference}: ${error}`))
    return { status: 202, body: accepted }
  }

  async function play(order: Order, behavior: ReturnType<typeof behaviorOf>): Promise<void> {
    if (behavior === 'delay') await delay(options.laterMs, undefined, { ref: false })
    if (order.state !== 'processing') return
    if (behavior === 'refuse' || behavior === 'refuse_then_confirm') {
      order.state = 'refused'
      order.reason = 'refused_by_receiver'
    } else {
      order.state = 'confirmed'
      if (behavior === 'part') order.amount = half(order.instruction.amount)
    }
    if (behavior === 'drop') return
    // Out of order: the news that it is under way comes behind the news that it is done.
    await call(order.instruction.callback_url, reportOf(order))
    if (behavior === 'disorder') await call(order.instruction.callback_url, { ...reportOf(order), state: 'processing' })
    if (behavior === 'double') await call(order.instruction.callback_url, reportOf(order))
    if (behavior === 'refuse_then_confirm') {
      await delay(options.laterMs, undefined, { ref: false })
      order.state = 'confirmed'
      order.reason = null
      await call(order.instruction.callback_url, reportOf(order))
    }
  }

  const call = (url: string, message: object) => callBack(options.secret, url, JSON.stringify(message))

  async function answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
    if (request.headers.authorization !== `Bearer ${options.secret}`)
      return { status: 401, body: { error: 'who are you' } }
    const { pathname } = new URL(request.url ?? '/', 'http://sandbox')
    const [, resource, reference, action] = pathname.split('/').map(decodeURIComponent)
    if (request.method === 'POST' && resource === 'instructions' && reference === undefined) {
      return accept((await readJson(request)) as Instruction)
    }
    if (request.method === 'POST' && resource === 'arrivals') {
      const { callback_url: url, ...arrived } = (await readJson(request)) as { callback_url: string }
      await call(url, { type: 'arrival', ...arrived })
      return { status: 202, body: {} }
    }
    if (resource !== 'instructions' || reference === undefined) return { status: 404, body: { error: 'nothing here' } }
    const order = orders.get(reference)
    if (!order) return { status: 200, body: { reference, state: 'unknown' } }
    if (request.method === 'POST' && action === 'cancel' && order.state === 'processing') order.state = 'canceled'
    return { status: 200, body: reportOf(order) }
  }

  return createServer((request, response) => {
    void answer(request)
      .catch((error: unknown) => ({ status: 400, body: { error: String(error) } }))
      .then(({ status, body }) => {
        options.say(`${request.method} ${request.url} ${status} ${JSON.stringify(body)}`)
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      })
  })
}

/** Reports until it is heard, for as long as somebody who restarts takes. */
async function callBack(secret: string, url: string, body: string): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const id = `msg_${randomUUID()}`
    const timestamp = String(Math.floor(Date.now() / 1_000))
    const signature = signatureOf(secret, id, timestamp, body)
    const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    }).catch(() => undefined)
    await response?.arrayBuffer()
    if (response?.ok) return
    await delay(Math.min(50 * 2 ** attempt, 5_000), undefined, { ref: false })
  }
  throw new Error('nobody answers')
}

function reportOf({ instruction, state, amount, reason, railReference }: Order): object {
  const { reference, rail } = instruction
  return { reference, rail, state, amount, reason, rail_reference: railReference }
}

/** Half of an amount, with as many digits; the smallest one where that would be nothing. */
function half(amount: string): string {
  const digits = amount.replace('.', '')
  const halved = (BigInt(digits) / 2n || 1n).toString().padStart(digits.length, '0')
  const point = amount.indexOf('.')
  const written = point < 0 ? halved : `${halved.slice(0, point)}.${halved.slice(point)}`
  return written.replace(/^0+(?=\d)/, '')
}

const LARGEST_BODY = 64 * 1024

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > LARGEST_BODY) throw new Error('too much')
  }
  return JSON.parse(text)
}
