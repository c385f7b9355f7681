import type { IncomingHttpHeaders } from 'node:http'
import type { RailCode } from '../../ledger/account.ts'
import { checkDestination } from '../destination.ts'
import type { Arrival, Instruction, Rail, RailMessage, RailReport } from '../rail.ts'
import { isSigned } from './signature.ts'

const TIMEOUT_MS = 10_000
const STATES = ['processing', 'confirmed', 'refused', 'canceled', 'unknown'] as const

type Options = {
  readonly code: RailCode
  readonly url: string
  /** What its callbacks are signed with. */
  readonly secret: string
  /** Where it reports to. */
  readonly callbackUrl: () => string
}

/** A rail that the sandbox server plays (server.ts): HTTP with JSON, and signed callbacks. */
export function createSandboxRail({ code, url, secret, callbackUrl }: Options): Rail {
  /** What the rail says of that instruction: an answer for another one is none. */
  async function ask(reference: string, method: 'GET' | 'POST', path: string, body?: object): Promise<RailReport> {
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    if (!response.ok) throw new Error(`the rail answered ${response.status}`)
    const report = toReport(await response.json())
    if (report?.reference !== reference) throw new Error(`the rail answered what is no report of ${reference}`)
    return report
  }

  const instructionPath = (reference: string) => `/instructions/${encodeURIComponent(reference)}`

  function readCallback(headers: IncomingHttpHeaders, body: Buffer): RailMessage | undefined {
    const signed = {
      id: String(headers['webhook-id'] ?? ''),
      timestamp: String(headers['webhook-timestamp'] ?? ''),
      signature: String(headers['webhook-signature'] ?? ''),
    }
    const text = body.toString()
    if (!isSigned(secret, signed, text, Date.now() / 1_000)) return undefined
    return toMessage(text, code)
  }

  return {
    code,
    checkDestination: (destination) => checkDestination(code, destination),
    submit: (instruction: Instruction) =>
      ask(instruction.reference, 'POST', '/instructions', { ...instruction, callback_url: callbackUrl() }),
    lookUp: (reference) => ask(reference, 'GET', instructionPath(reference)),
    cancel: (reference) => ask(reference, 'POST', `${instructionPath(reference)}/cancel`),
    readCallback,
  }
}

type Fields = Readonly<Record<string, unknown>>

const textOf = (fields: Fields, name: string) => (typeof fields[name] === 'string' ? fields[name] : undefined)

/** More would not fit into an index. */
const LONGEST_NAME = 500

/** Whether it is a rail's name for what it did. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME
}

function toReport(value: unknown): RailReport | undefined {
  if (value === null || typeof value !== 'object') return undefined
  const fields = value as Fields
  const reference = textOf(fields, 'reference')
  const state = STATES.find((known) => known === fields.state)
  if (reference === undefined || !state) return undefined
  // Without one it moved what it was told to; in another form that is not to be guessed.
  const amount = fields.amount ?? null
  if (amount !== null && typeof amount !== 'string') return undefined
  // Nor is its name: two movements whose names are not read would be one.
  const railReference = fields.rail_reference ?? null
  if (railReference !== null && !isName(railReference)) return undefined
  return {
    reference,
    state,
    railReference,
    amount,
    reason: textOf(fields, 'reason') ?? null,
  }
}

function toArrival(fields: Fields): Arrival | undefined {
  const [book, railReference, amount, currency] = ['book', 'rail_reference', 'amount', 'currency'].map((name) =>
    textOf(fields, name),
  )
  if (!book || !isName(railReference) || !amount || !currency) return undefined
  return { book, railReference, amount, currency }
}

/** A message for this rail, and for no other that shares the secret. */
function toMessage(text: string, code: RailCode): RailMessage | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (value === null || typeof value !== 'object') return undefined
  const fields = value as Fields
  if (fields.rail !== code) return undefined
  if (fields.type === 'arrival') {
    const arrival = toArrival(fields)
    return arrival && { type: 'arrival', arrival }
  }
  const report = toReport(value)
  return report && { type: 'report', report }
}
