import {
  createClient,
  type ImportOutcome,
  NoAnswerError,
  type Operations,
  ProblemError,
} from '../../packages/client/src/index.ts'
import { StartError } from '../../src/start_error.ts'

/** A gateway, the token of one of its operators, and what ends it early. */
export type Target = { readonly url: string; readonly token: string; readonly signal?: AbortSignal }

type Lines = Pick<Operations, 'importUsers' | 'createPayments'>
type Problem = NonNullable<ImportOutcome['error']>

/**
 * Sends records, one a line, and yields the answer to each, in order and as they arrive. Throws StartError where the
 * gateway is not there, refuses the request as a whole or does not answer every line.
 */
export async function* sendLines<Id extends keyof Lines>(
  { url, token, signal }: Target,
  id: Id,
  records: readonly Lines[Id]['line']['sent'][],
): AsyncGenerator<Lines[Id]['line']['answered']> {
  try {
    yield* createClient({ url, token }).lines(id, records, signal ? { signal } : {})
  } catch (cause) {
    if (signal?.aborted) throw new StartError(`${id}: stopped`, { cause })
    if (cause instanceof ProblemError)
      throw new StartError(`${id} answered ${cause.status}: ${textOf(cause)}`, { cause })
    if (cause instanceof NoAnswerError) throw new StartError(cause.message, { cause })
    throw cause
  }
}

/** A problem as one line for people. */
export function textOf(problem: Problem | ProblemError | undefined): string {
  const fields = problem?.errors.map(({ field, detail }) => `${field} ${detail}`) ?? []
  const detail = problem instanceof ProblemError ? problem.message : problem?.detail
  return [detail ?? 'no reason was given', ...fields].join('; ')
}
