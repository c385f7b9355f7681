import { createHmac, timingSafeEqual } from 'node:crypto'

// Callbacks are signed like webhooks (https://www.standardwebhooks.com): an HMAC-SHA256 over id, time and body.

export type Signed = { readonly id: string; readonly timestamp: string; readonly signature: string }

/** The signature of a message, `v1,` and base64. `timestamp` in seconds since 1970. */
export function sign(secret: string, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

const TOLERANCE_SECONDS = 300

/** Whether the message was signed with the secret, within five minutes of `now` (seconds since 1970). */
export function isSigned(secret: string, { id, timestamp, signature }: Signed, body: string, now: number): boolean {
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false
  const expected = Buffer.from(sign(secret, id, timestamp, body))
  return signature.split(' ').some((each) => {
    const given = Buffer.from(each)
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}
