import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import type { BookId } from '../ledger/id.ts'
import { idempotencyKey } from '../payments/intake.ts'
import type { IdempotencyKey } from '../payments/payment.ts'
import { sessionOf } from './authentication.ts'
import { ApiError } from './errors.ts'

export type Answer = { readonly status: number; readonly body: object }

const KEY = /^[\x20-\x7e]{1,255}$/

/** The caller's Idempotency-Key header, if any. Throws `invalid_header` where it is not 1 to 255 printable characters. */
export function keyHeader(request: FastifyRequest): string | undefined {
  const header = request.headers['idempotency-key']
  if (header === undefined) return undefined
  if (typeof header !== 'string' || !KEY.test(header)) {
    const detail = 'must be 1 to 255 printable ASCII characters'
    throw new ApiError('invalid_header', `idempotency-key ${detail}`, [
      { field: 'idempotency-key', code: 'invalid_header', detail },
    ])
  }
  return header
}

/**
 * Does `work` in one transaction, once for each idempotency key: the same request again gets the first answer, another
 * one with the key is refused. Without a key it is simply done. `reveal` adds to the answer what must not be stored.
 */
export async function answerOnce(
  pool: Pool,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (client: Client) => Promise<Answer>,
  reveal: (answer: Answer) => Answer | Promise<Answer> = (answer) => answer,
): Promise<FastifyReply> {
  const send = async ({ status, body }: Answer) => reply.code(status).send(body)
  const { book, userId } = sessionOf(request)
  const header = keyHeader(request)
  if (header === undefined) return send(await reveal(await inTransaction(pool, work)))
  const asked = { path: request.url, body: request.body ?? null }
  const key = idempotencyKey(userId, `${request.method} ${request.routeOptions.url}`, header, asked)
  const { answer, replayed } = await inTransaction(pool, async (client) => {
    // The same request at the same time waits here, and then finds the answer of the first.
    await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`idempotency ${book}/${key.key}`])
    const earlier = await readAnswer(client, book, key)
    if (earlier) return { answer: earlier, replayed: true }
    const first = await work(client)
    await client.query(
      `insert into idempotency_keys (book, key, request_hash, status, answer, created_at)
       values ($1, $2, $3, $4, $5, clock_timestamp())`,
      [book, key.key, key.requestHash, first.status, JSON.stringify(first.body)],
    )
    return { answer: first, replayed: false }
  })
  if (replayed) reply.header('idempotent-replayed', 'true')
  return send(await reveal(answer))
}

async function readAnswer(
  client: Client,
  book: BookId,
  { key, requestHash }: IdempotencyKey,
): Promise<Answer | undefined> {
  const { rows } = await client.query<{ request_hash: string; status: number; answer: object }>(
    'select request_hash, status, answer from idempotency_keys where book = $1 and key = $2',
    [book, key],
  )
  const row = rows[0]
  if (!row) return undefined
  if (row.request_hash !== requestHash) throw new ApiError('idempotency_key_reused')
  return { status: row.status, body: row.answer }
}
