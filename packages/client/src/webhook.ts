import type { Account, Event, Payment, Schedule, Webhook } from './api.ts'

type EventOf<Kind extends string, What> = Omit<Event, 'type' | 'data'> & {
  readonly type: Extract<Event['type'], `${Kind}.${string}`>
  readonly data: { readonly object: What }
}

/** An event with the object that it tells of, as it was then. */
export type GatewayEvent =
  | EventOf<'payment', Payment>
  | EventOf<'account', Account>
  | EventOf<'schedule', Schedule>
  | EventOf<'webhook', Webhook>

type Unplaced<Of> = Of extends unknown ? Omit<Of, 'position'> : never

/** What a webhook is sent: an event, which has no position there, or a ping. */
export type WebhookMessage =
  | Unplaced<GatewayEvent>
  | { readonly id: string; readonly type: 'webhook.ping'; readonly created_at: string; readonly data: object }

/** A message that is not from the gateway, was changed on its way, or is too old. Answer it with 400. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError'
}

type Headers = { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>
type Verifying = { readonly toleranceSeconds?: number; readonly now?: Date }

/**
 * Verifies a message by the Standard Webhooks specification and gives what it says. `body` is the body as it came, byte
 * by byte; `secrets` are one or, while they are rotated, several `whsec_…`. Throws WebhookError where none of them
 * signed it, or it is more than five minutes old or ahead.
 */
export async function verifyWebhook(
  secrets: string | readonly string[],
  headers: Headers,
  body: string | Uint8Array,
  { toleranceSeconds = 300, now = new Date() }: Verifying = {},
): Promise<WebhookMessage> {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) =>
    headerOf(headers, `webhook-${name}`),
  )
  if (!id || !timestamp || !signatures) throw new WebhookError('a header of the signature is missing')
  if (!/^\d{1,12}$/.test(timestamp)) throw new WebhookError('webhook-timestamp is no time')
  const age = Math.abs(now.getTime() / 1_000 - Number(timestamp))
  if (age > toleranceSeconds) throw new WebhookError('the message is too old, or from the future')

  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  const head = new TextEncoder().encode(`${id}.${timestamp}.`)
  const signed = new Uint8Array(head.length + bytes.length)
  signed.set(head)
  signed.set(bytes, head.length)
  const keys = await Promise.all([secrets].flat().map(keyOf))
  for (const part of signatures.split(' ')) {
    const [version, text = ''] = part.split(',')
    const signature = version === 'v1' ? fromBase64(text) : undefined
    if (!signature) continue
    for (const key of keys) {
      // Compares in constant time.
      if (await crypto.subtle.verify('HMAC', key, signature, signed)) return JSON.parse(new TextDecoder().decode(bytes))
    }
  }
  throw new WebhookError('no secret signed this message')
}

function headerOf(headers: Headers, name: string): string | undefined {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined
  const value = (headers as Readonly<Record<string, string | readonly string[] | undefined>>)[name]
  return typeof value === 'string' ? value : value?.[0]
}

async function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = fromBase64(secret.replace(/^whsec_/, ''))
  if (!bytes || bytes.length === 0) throw new TypeError('a webhook secret is whsec_ and base64')
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  } catch {
    return undefined
  }
}
