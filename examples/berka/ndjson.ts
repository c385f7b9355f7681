import { StartError } from '../../src/start_error.ts'

/** A gateway, the token of one of its operators, and what ends it early. */
export type Target = { readonly url: string; readonly token: string; readonly signal?: AbortSignal }

/** Why the gateway refused a line: problem details of RFC 9457, as far as they are shown here. */
export type Problem = {
  readonly detail: string
  readonly errors?: readonly { readonly field: string; readonly detail: string }[]
}
export type Answer = { readonly status: number; readonly error?: Problem }

/** Bulk takes 10 000 payments a request. */
const LINES_A_REQUEST = 10_000

/**
 * Sends records as NDJSON, one a line, and yields the answer to each, in order and as they arrive. Throws StartError
 * where the gateway is not there, refuses the request as a whole or does not answer every line.
 */
export async function* sendLines<T extends Answer>(
  target: Target,
  path: string,
  records: readonly object[],
): AsyncGenerator<T> {
  for (let start = 0; start < records.length; start += LINES_A_REQUEST) {
    const part = records.slice(start, start + LINES_A_REQUEST)
    let answered = 0
    let last: Answer | undefined
    for await (const line of answersTo(target, path, part)) {
      const answer: T = JSON.parse(line)
      last = answer
      answered += 1
      yield answer
    }
    if (answered !== part.length) {
      const why = last?.error ? `: ${textOf(last.error)}` : ''
      throw new StartError(`${path} answered ${answered} of ${part.length} lines${why}`)
    }
  }
}

async function* answersTo({ url, token, signal }: Target, path: string, records: readonly object[]) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' }
  const body = records.map((record) => `${JSON.stringify(record)}\n`).join('')
  try {
    const response = await fetch(url + path, { method: 'POST', headers, body, ...(signal ? { signal } : {}) })
    if (!response.ok) throw new StartError(`${path} answered ${response.status}: ${await response.text()}`)
    let rest = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
    if (rest !== '') yield rest
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    const { message, cause: reason } = cause as Error
    const why = signal?.aborted ? 'stopped' : (reason as Error | undefined)?.message || message
    throw new StartError(`${url}${path}: ${why}`, { cause })
  }
}

/** A problem as one line for people. */
export function textOf(problem: Problem | undefined): string {
  const fields = problem?.errors?.map(({ field, detail }) => `${field} ${detail}`) ?? []
  return [problem?.detail ?? 'no reason was given', ...fields].join('; ')
}
