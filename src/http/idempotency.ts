import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client, Pool, Queryable } from '../database/connection.ts'
import { onceCommitted } from '../database/faults.ts'
import { isErased, ownText } from '../database/personal_fields.ts'
import { inTransactionAfterRaces } from '../database/races.ts'
import { createRounds, type Rounds } from '../database/rounds.ts'
import { takeTurn } from '../database/turn.ts'
import type { BookId } from '../ledger/id.ts'
import type { Log } from '../log.ts'
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

type Kept = {
  /** Adds to the answer what must not be stored; throws where it cannot be told any more. */
  readonly reveal?: (answer: Answer) => Answer | Promise<Answer>
  /** Whether the key may be forgotten after a week: never where money moves by it. */
  readonly expires?: boolean
  /** Finds the answer to an earlier request with the key in another place; throws `idempotency_key_reused` where it was another. */
  readonly answeredElsewhere?: (client: Client) => Promise<Answer | undefined>
}

const KEY_DAYS = 7

/**
 * Does `work` in one transaction, once for each idempotency key: the same request again gets the first answer, another
 * one with the key is refused. Without a key it is simply done.
 */
export async function answerOnce(
  pool: Pool,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (client: Client) => Promise<Answer>,
  { reveal = (answer) => answer, expires = false, answeredElsewhere = async () => undefined }: Kept = {},
): Promise<FastifyReply> {
  const send = ({ status, body }: Answer) => reply.code(status).send(body)
  const whole = (answer: Answer) => onceCommitted(() => reveal(answer))
  const { book, userId } = sessionOf(request)
  const key = keyOf(request)
  if (!key) return send(await whole(await inTransactionAfterRaces(pool, work)))
  const { answer, replayed } = await inTransactionAfterRaces(pool, async (client) => {
    // The same request at the same time waits here, and then finds the answer of the first.
    await takeTurn(client, `idempotency ${book}/${key.key}`)
    const earlier = (await readAnswer(client, book, key)) ?? (await answeredElsewhere(client))
    if (earlier) return { answer: earlier, replayed: true }
    const first = await work(client)
    // Whoever is erased asks for nothing again, and their answers are gone.
    await client.query(
      `insert into idempotency_keys (book, key, request_hash, status, answer, created_at, expires_at, user_id)
       select $1::integer, $2::uuid, $3::uuid, $4::smallint, stored_text($1, $7, $5), clock_timestamp(),
              clock_timestamp() + $6::integer * interval '1 day', $7::uuid
        where not ${isErased('$1', '$7')}`,
      [book, key.key, key.requestHash, first.status, JSON.stringify(first.body), expires ? KEY_DAYS : null, userId],
    )
    return { answer: first, replayed: false }
  })
  const told = await whole(answer)
  if (replayed) reply.header('idempotent-replayed', 'true')
  return send(told)
}

/**
 * Whether `answerOnce` has answered this very request before: for what is done outside, which no transaction can hold
 * together with its answer. Throws `idempotency_key_reused` where the key is that of another.
 */
export async function wasAnswered(pool: Pool, request: FastifyRequest): Promise<boolean> {
  const key = keyOf(request)
  return key !== undefined && (await readAnswer(pool, sessionOf(request).book, key)) !== undefined
}

function keyOf(request: FastifyRequest): IdempotencyKey | undefined {
  const header = keyHeader(request)
  if (header === undefined) return undefined
  const asked = { path: request.url, body: request.body ?? null }
  return idempotencyKey(sessionOf(request).userId, `${request.method} ${request.routeOptions.url}`, header, asked)
}

async function readAnswer(
  client: Queryable,
  book: BookId,
  { key, requestHash }: IdempotencyKey,
): Promise<Answer | undefined> {
  const { rows } = await client.query<{ request_hash: string; status: number; answer: object }>(
    `select k.request_hash, k.status, ${ownText('k', 'answer')}::json as answer
       from idempotency_keys k where k.book = $1 and k.key = $2`,
    [book, key],
  )
  const row = rows[0]
  if (!row) return undefined
  if (row.request_hash !== requestHash) throw new ApiError('idempotency_key_reused')
  return { status: row.status, body: row.answer }
}

const LOOK_EVERY_MS = 600_000
const MOST_AT_ONCE = 1_000

/** Forgets keys whose time is up, on any number of nodes. */
export function createKeySweeper(pool: Pool, log: Log): Rounds {
  return createRounds({
    round: () => forgetKeys(pool),
    everyMs: LOOK_EVERY_MS,
    log,
    fault: 'could not forget old idempotency keys',
  })
}

/** Returns how many there were. Index: idempotency_keys_expired. */
async function forgetKeys(pool: Pool): Promise<number> {
  const { rowCount } = await pool.query(
    `delete from idempotency_keys k
      using (select book, key from idempotency_keys
              where expires_at < clock_timestamp()
              order by expires_at
              limit $1) old
      where k.book = old.book and k.key = old.key`,
    [MOST_AT_ONCE],
  )
  return rowCount ?? 0
}
