import { NoAnswerError, ProblemError } from './errors.ts'

/** How often a call is made at most, and how long it is waited in between: twice as long each time, by chance. */
export type Retry = {
  readonly attempts: number
  readonly firstMs: number
  /** Nor is it waited longer where the gateway asks for it: then the call fails. */
  readonly longestMs: number
}

export const DEFAULT_RETRY: Retry = { attempts: 5, firstMs: 200, longestMs: 30_000 }

/** Refusals by which nothing was done, so that any call may be made again. */
const NOTHING_DONE = ['rate_limited', 'overloaded', 'unavailable']

/**
 * Whether a call that failed so may be made again. `repeatable` is one that does nothing, or nothing twice: a GET, or a
 * POST with an idempotency key. Of any other it must be known that nothing was done.
 */
export function mayRetry({ longestMs }: Retry, error: unknown, repeatable: boolean): boolean {
  if (askedMs(error) > longestMs) return false
  if (error instanceof ProblemError) {
    return NOTHING_DONE.includes(error.code) || (repeatable && error.code === 'outcome_unknown')
  }
  if (!(error instanceof NoAnswerError)) return false
  return repeatable && (error.status === undefined || [429, 502, 503, 504].includes(error.status))
}

/** How long to wait after so many failures: some of up to twice the time before, and what the answer asks for. */
export function pauseMs({ firstMs, longestMs }: Retry, failures: number, error?: unknown): number {
  return askedMs(error) + Math.random() * Math.min(longestMs, firstMs * 2 ** (failures - 1))
}

/** A timer of weeks would be over at once. */
const DAY_MS = 86_400_000

/** How long whoever answered asks to wait, be it the gateway or something in front of it. */
function askedMs(error: unknown): number {
  const known = error instanceof ProblemError || error instanceof NoAnswerError
  return known ? Math.min((error.retryAfterSeconds ?? 0) * 1_000, DAY_MS) : 0
}

/** Comes true after that time. Rejects with the signal's reason where it is aborted before. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
