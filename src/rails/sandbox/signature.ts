import { timingSafeEqual } from 'node:crypto'
import { signatureOf } from '../../webhooks/signature.ts'

// Callbacks are signed like webhooks, with the secret's text as the key.

export type Signed = { readonly id: string; readonly timestamp: string; readonly signature: string }

const TOLERANCE_SECONDS = 300

/** Whether the message was signed with the secret, within five minutes of `now` (seconds since 1970). */
export function isSigned(secret: string, { id, timestamp, signature }: Signed, body: string, now: number): boolean {
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false
  const expected = Buffer.from(signatureOf(secret, id, timestamp, body))
  return signature.split(' ').some((each) => {
    const given = Buffer.from(each)
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}
