import { type Operations, operations } from './api.ts'
import { type Query, queryText } from './query.ts'
import type { Sent } from './transport.ts'

/** What any call may take. */
export type AnyInput = {
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Query
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly type?: string
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

/**
 * What is sent for a call. One that may be repeated has a key from here on, the same for each attempt: the one given
 * here, or else the caller's.
 */
export function sentFor(id: keyof Operations, input: AnyInput, idempotencyKey?: string): Sent {
  const { path = {}, query, headers, body, type, signal } = input
  const operation: { method: string; path: string; body?: string; repeatable?: true } = operations[id]
  const { method, repeatable = false } = operation
  const place = operation.path.replaceAll(/\{(\w+)\}/g, (_braced, name) => encodeURIComponent(path[name] ?? ''))
  const raw = typeof body === 'string' || body instanceof Uint8Array
  return {
    method,
    path: place + queryText(query),
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': type ?? operation.body ?? '' }) },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    repeatable: method === 'GET' || repeatable,
    idempotencyKey: repeatable ? (idempotencyKey ?? keyOf(input)) : undefined,
    signal,
  }
}

/** The key that the caller gives, as a header or by itself, or else a new one. */
export function keyOf({ headers = {}, idempotencyKey }: AnyInput): string {
  return new Headers(headers).get('idempotency-key') ?? idempotencyKey ?? newKey()
}

/** A new idempotency key: 128 random bits. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
