import { ApiError } from './errors.ts'

/** How a caller wants to be answered (RFC 7240). */
export type Prefer = {
  /** `respond-async` was said. */
  readonly respondAsync: boolean
  /** Stored first and posted in the background: where a wait was said, too. */
  readonly asynchronous: boolean
  /** How long to wait for the outcome all the same. */
  readonly waitSeconds: number
  /** For the header Preference-Applied. */
  readonly applied: string | undefined
}

const LONGEST_WAIT = 60
/** Where a wait does not say how long. */
const DEFAULT_WAIT = 10
const NOTHING: Prefer = { respondAsync: false, asynchronous: false, waitSeconds: 0, applied: undefined }

/** Reads `respond-async` and `wait=N`; what is not ours, or is said a second time, is ignored, as RFC 7240 §2 asks. */
export function parsePrefer(header: string | string[] | undefined): Prefer {
  if (header === undefined) return NOTHING
  const preferences = [header].flat().join(',').split(',')
  let respondAsync = false
  let wait: number | undefined
  for (const preference of preferences) {
    const [name = '', value = ''] = preference.split(';', 1)[0]?.split('=') ?? []
    if (/^\s*respond-async\s*$/i.test(name)) respondAsync = true
    if (wait === undefined && /^\s*wait\s*$/i.test(name)) wait = parseWait(value.trim().replace(/^"(.*)"$/, '$1'))
  }
  const applied = [respondAsync ? ['respond-async'] : [], wait === undefined ? [] : [`wait=${wait}`]].flat()
  return {
    respondAsync,
    asynchronous: respondAsync || wait !== undefined,
    waitSeconds: wait ?? 0,
    applied: applied.length === 0 ? undefined : applied.join(', '),
  }
}

function parseWait(value: string): number {
  if (value === '') return DEFAULT_WAIT
  const seconds = /^\d{1,5}$/.test(value) ? Number(value) : undefined
  if (seconds === undefined) {
    const detail = 'must say wait= and a whole number of seconds'
    throw new ApiError('invalid_header', `prefer ${detail}`, [{ field: 'prefer', code: 'invalid_header', detail }])
  }
  return Math.min(seconds, LONGEST_WAIT)
}
