import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Gateway } from '../gateway.ts'
import type { App } from './route.ts'

export type Metrics = {
  /** Counts a request that the app itself was not told of. */
  readonly count: (request: Labels, seconds: number) => void
  /** All that is counted, as Prometheus reads it. */
  readonly text: () => Promise<string>
}
type Labels = { readonly method: string; readonly route: string; readonly status: string }

/** Counts and times every request, by route, and shows how much waits to be posted. */
export function createMetrics(app: App, { poster, initiator, events: { followers } }: Gateway): Metrics {
  const register = new Registry()
  collectDefaultMetrics({ register })
  const registers = [register]
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from request to answer',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  })
  new Gauge({
    name: 'payments_waiting',
    help: 'Payments that wait for their batch to commit',
    registers,
    collect() {
      this.set(poster.depth() + initiator.depth())
    },
  })
  new Gauge({
    name: 'event_followers',
    help: 'Open streams and WebSockets that are told events',
    registers,
    collect() {
      this.set(followers.count())
    },
  })
  const count: Metrics['count'] = (request, seconds) => requests.observe(request, seconds)
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown'
    count({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1_000)
    done()
  })
  return { count, text: () => register.metrics() }
}
