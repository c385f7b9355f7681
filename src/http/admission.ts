import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiError } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { originHeaders } from './origins.ts'
import type { App } from './route.ts'
import { rawProblem, requestIdOf } from './unrouted.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** Whether it is to answer a payment that waits to be made. */
    isUnderWay: boolean
  }
}

/** What is posted for one request: whoever comes with a single payment should soon have an answer. */
const SINGLE: ReadonlySet<string> = new Set(['/v1/payments', '/v1/deposits', '/v1/withdrawals'])

/** So many under way are never too many: a burst is no overload. */
const AT_EASE = 200
/** How long an answer may take where all that is under way has to be answered first. */
const LONGEST_MS = 200
/** How long is looked on before the rate is known. */
const WINDOW_MS = 100
/** What one takes, until it is known. */
const FIRST_GUESS_MS = 0.25

export type Admission = {
  /** Whether one more would have to wait too long. */
  readonly isFull: () => boolean
  /** Counts one in; whoever comes in has to leave. */
  readonly enter: () => void
  readonly leave: () => void
}

/**
 * Lets in as many as can be answered soon at the rate that was seen last (Little's law: under way = rate × time). The
 * rate is taken while there is enough to do: what comes one by one says nothing of what could be done.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function createAdmission(now: () => number): Admission {
  let underWay = 0
  let eachMs = FIRST_GUESS_MS
  /** Since when, and how many were answered since; no time while there is too little to do. */
  let since: number | undefined
  let answered = 0

  function isFull(): boolean {
    return underWay >= AT_EASE && underWay * eachMs >= LONGEST_MS
  }

  function enter(): void {
    underWay += 1
    if (since !== undefined || underWay < AT_EASE) return
    since = now()
    answered = 0
  }

  function leave(): void {
    underWay -= 1
    answered += 1
    if (since === undefined) return
    const passed = now() - since
    if (passed >= WINDOW_MS) {
      eachMs = passed / answered
      since += passed
      answered = 0
    }
    if (underWay < AT_EASE / 2) since = undefined
  }

  return { isFull, enter, leave }
}

/**
 * Refuses single payments that would wait too long (docs/ledger.md, Posting), before anything is done for them: the
 * framework is not told of them, `count` is.
 */
export function refuseOverload(app: App, allowedOrigins: ReadonlySet<string>, count: Metrics['count']): void {
  const admission = createAdmission(() => performance.now())
  app.decorateReply('isUnderWay', false)
  const overloaded = new ApiError('overloaded')
  let refused = 0

  function report(): void {
    app.log.warn({ refused }, 'overloaded')
    refused = 0
  }

  function refuse({ headers: asked }: IncomingMessage, response: ServerResponse, route: string): void {
    if (refused === 0) setTimeout(report, 1_000).unref()
    refused += 1
    const { status, headers, body } = rawProblem(overloaded, requestIdOf(asked['x-request-id']))
    response.writeHead(status, {
      ...headers,
      ...originHeaders(allowedOrigins, asked.origin),
      ...(app.server.listening ? {} : { connection: 'close' }),
    })
    response.end(body)
    count({ method: 'POST', route, status: String(status) }, 0)
  }

  // In place of the framework, which is the only one to listen until here.
  app.server.removeAllListeners('request').on('request', (request, response) => {
    const [path = ''] = request.url?.split('?', 1) ?? []
    // At the end of this turn of the event loop: what is written in a row wakes those who read it less often.
    if (admission.isFull() && isSingle(request.method, path)) setImmediate(refuse, request, response, path)
    else app.routing(request, response)
  })
  // Only now: a body that never comes to its end keeps nobody else out, nor does whoever waits for a worker.
  app.addHook('preHandler', ({ method, routeOptions, headers }, reply, done) => {
    if (!isSingle(method, routeOptions.url)) return done()
    // Many bodies may have come since their heads did, and a path may be written in many ways.
    if (admission.isFull()) return done(overloaded)
    if (headers.prefer === undefined) {
      admission.enter()
      reply.isUnderWay = true
    }
    done()
  })
  // Its answer is made. When that goes out, behind others on its connection, may be up to whoever reads them; and where
  // nobody is there any more, it is made all the same.
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (reply.isUnderWay) admission.leave()
    reply.isUnderWay = false
    done(null, payload)
  })
}

function isSingle(method: string | undefined, route: string | undefined): boolean {
  return method === 'POST' && route !== undefined && SINGLE.has(route)
}
