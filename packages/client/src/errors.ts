import type { ErrorCode, Problem } from './api.ts'

/** The gateway refused: its problem details (RFC 9457). Decide by `code`; `message` is for people. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: ErrorCode
  readonly status: number
  /** The mistakes of the input, each with its field. */
  readonly errors: Problem['errors']
  /** Names the request in the gateway's log. */
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** With the same key the call may be made again, and nothing is done twice. */
  readonly idempotencyKey: string | undefined

  constructor(problem: Problem, retryAfterSeconds?: number, idempotencyKey?: string) {
    super(problem.detail)
    this.code = problem.code as ErrorCode
    this.status = problem.status
    this.errors = problem.errors
    this.requestId = problem.request_id
    this.retryAfterSeconds = retryAfterSeconds
    this.idempotencyKey = idempotencyKey
  }
}

type Known = 'idempotencyKey' | 'status' | 'retryAfterSeconds'

/**
 * There is no answer of the gateway: the line was lost, it took too long, or something in between answered. Whether the
 * call was carried out is not known; where it has an `idempotencyKey`, making it again with that key tells.
 */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
  readonly idempotencyKey: string | undefined
  /** What something between here and the gateway answered, if it did. */
  readonly status: number | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, more: { cause?: unknown } & Partial<Pick<NoAnswerError, Known>> = {}) {
    super(message, { cause: more.cause })
    this.idempotencyKey = more.idempotencyKey
    this.status = more.status
    this.retryAfterSeconds = more.retryAfterSeconds
  }
}

/** The error that an answer stands for. */
export async function errorOf(
  response: Response,
  idempotencyKey: string | undefined,
): Promise<ProblemError | NoAnswerError> {
  const { status, headers } = response
  const text = await response.text()
  const retryAfterSeconds = secondsUntil(headers.get('retry-after'))
  const problem = headers.get('content-type')?.startsWith('application/problem+json') ? JSON.parse(text) : undefined
  if (isOfGateway(problem)) return new ProblemError(problem, retryAfterSeconds, idempotencyKey)
  return new NoAnswerError(`answered ${status}, and not by the gateway`, { status, idempotencyKey, retryAfterSeconds })
}

/** Proxies answer with problem details too: that is no word of the gateway, which may have done what it was asked. */
function isOfGateway(problem: Problem | null | undefined): problem is Problem {
  return String(problem?.type).startsWith('urn:billing-gateway:problem:')
}

/** What Retry-After says: seconds, or a time, as only others than the gateway write it (RFC 9110 §10.2.3). */
function secondsUntil(retryAfter: string | null): number | undefined {
  if (retryAfter === null) return undefined
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter)
  const at = Date.parse(retryAfter)
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1_000)
}
