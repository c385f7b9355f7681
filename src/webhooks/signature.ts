import { createHmac, randomBytes } from 'node:crypto'

// Standard Webhooks (https://www.standardwebhooks.com), symmetric signatures: version v1.

const PREFIX = 'whsec_'

/** A new secret: `whsec_` and 256 random bits in base64. */
export function newSigningSecret(): string {
  return PREFIX + randomBytes(32).toString('base64')
}

export type Message = { readonly id: string; readonly timestamp: number; readonly body: string }

/** The signature `v1,…` of a message; `timestamp` is in seconds since 1970. */
export function signatureOf(key: Buffer | string, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

/** The headers of a message, with one signature for each secret; `timestamp` is in seconds since 1970. */
export function signedHeaders({ id, timestamp, body }: Message, secrets: readonly string[]): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
    return signatureOf(key, id, String(timestamp), body)
  })
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }
}
