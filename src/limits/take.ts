import type { Queryable } from '../database/connection.ts'
import type { Limit } from './settings.ts'

/** Whether there was one left; how many are, and in how many seconds there are all again or, where none is, one. */
export type Taken = {
  readonly ok: boolean
  readonly limit: Limit
  readonly remaining: number
  readonly resetSeconds: number
  readonly retrySeconds: number
}

/** What is known of a limit of which `debt` seconds' worth is used. */
export function takenOf(limit: Limit, ok: boolean, debt: number): Taken {
  const each = limit.seconds / limit.count
  return {
    ok,
    limit,
    remaining: Math.max(0, Math.floor((limit.seconds - debt) / each + 1e-6)),
    resetSeconds: Math.max(0, Math.ceil(debt)),
    retrySeconds: ok ? 0 : Math.max(1, Math.ceil(debt + each - limit.seconds)),
  }
}

/**
 * Takes one of a limit that holds exactly over all nodes: a bucket that leaks, of which only the time is kept at which
 * it will be empty (the generic cell rate algorithm of ATM). One statement; whoever is refused uses up nothing.
 */
export async function takeExactly(client: Queryable, key: string, limit: Limit): Promise<Taken> {
  const each = limit.seconds / limit.count
  const { rows } = await client.query<{ debt: number }>({
    name: 'take-limit',
    text: `
      insert into rate_limits as r (key, full_at) values ($1, now() + $2 * interval '1 second')
          on conflict (key) do update set full_at = greatest(r.full_at, now()) + $2 * interval '1 second'
       where greatest(r.full_at, now()) + $2 * interval '1 second' <= now() + ($3 + 0.000001) * interval '1 second'
      returning extract(epoch from full_at - now())::float8 as debt`,
    values: [key, each, limit.seconds],
  })
  if (rows[0]) return takenOf(limit, true, rows[0].debt)
  const { rows: full } = await client.query<{ debt: number }>(
    'select greatest(0, extract(epoch from full_at - now()))::float8 as debt from rate_limits where key = $1',
    [key],
  )
  return takenOf(limit, false, full[0]?.debt ?? 0)
}
